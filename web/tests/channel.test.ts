import { readFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Channel } from '../src/call/janus/library';

/**
 * janus.js itself against a server that speaks the HTTP of Janus: one session, and polls that are
 * answered when the test says so.
 */
class FakeJanus {
  readonly asked: { method: string; path: string; query: URLSearchParams; body: string }[] = [];
  polls: ServerResponse[] = [];
  ended = 0;
  private readonly server: Server;

  constructor() {
    this.server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://janus');
      const method = request.method ?? '';
      this.asked.push({ method, path: pathname, query: searchParams, body });
      if (method === 'GET') {
        response.on('close', () => {
          this.ended += 1;
        });
        this.polls.push(response);
        return;
      }
      const { janus, transaction } = JSON.parse(body);
      const data = { id: janus === 'create' ? 77 : 88 };
      response.end(JSON.stringify({ janus: 'success', transaction, data }));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/janus`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  requests(): string[] {
    return this.asked.map(({ method, path, body }) =>
      [method, path, body && JSON.parse(body).janus].filter(Boolean).join(' '),
    );
  }
}

/** It asks whether it is a CommonJS module, and for vitest it is a bit of everything. */
vi.mock('janus-gateway', async () => {
  const path = new URL('../node_modules/janus-gateway/npm/dist/janus.es.js', import.meta.url);
  const source = (await readFile(path, 'utf8')).replace(/^export .*$/m, 'return Janus;');
  return { default: new Function('module', 'define', source)() };
});

const beacons: [string, string][] = [];
let library: typeof import('../src/call/janus/library');
let janus: FakeJanus;
let url: string;
let told: string[];
let channel: Channel;

beforeAll(async () => {
  vi.stubGlobal('WebSocket', class {});
  vi.stubGlobal('window', { RTCPeerConnection: class {}, addEventListener: () => {} });
  vi.stubGlobal('navigator', {
    sendBeacon: (to: string, body: string) => beacons.push([to, body]),
  });
  vi.spyOn(console, 'error').mockImplementation(() => {});
  library = await import('../src/call/janus/library');
  library.initJanus();
});

beforeEach(async () => {
  beacons.length = 0;
  told = [];
  janus = new FakeJanus();
  url = await janus.start();
});

afterEach(() => {
  channel.close();
  janus.stop();
});

function open(server = url): void {
  channel = library.openChannel({
    server,
    token: 'a,b:c+/=',
    iceServers: [],
    success: () => told.push('success'),
    error: (error) => told.push(`error: ${error}`),
    destroyed: () => told.push('destroyed'),
  });
}

const until = (condition: () => unknown) => vi.waitFor(() => expect(condition()).toBeTruthy());

describe('a channel over HTTP', () => {
  test('opens a session and polls it, with the token in each request', async () => {
    open();
    await until(() => janus.polls.length);
    expect(told).toEqual(['success']);
    expect(janus.requests()).toEqual(['POST /janus create', 'GET /janus/77']);
    expect(JSON.parse(janus.asked[0]?.body ?? '')).toMatchObject({ token: 'a,b:c+/=' });
    expect(janus.asked[1]?.query.get('token')).toBe('a,b:c+/=');
    expect(Number(janus.asked[1]?.query.get('maxev'))).toBeGreaterThan(1);
    expect(janus.asked[1]?.query.has('rid')).toBe(true);
  });

  test('polls again after each answer: that keeps the session', async () => {
    open();
    await until(() => janus.polls.length);
    janus.polls[0]?.end('[{"janus": "keepalive"}]');
    await until(() => janus.polls.length === 2);
    expect(told).toEqual(['success']);
  });

  test('hears what is said to its handles', async () => {
    open();
    await until(() => janus.polls.length);
    const heard: unknown[] = [];
    const attached = vi.fn();
    const events = { onmessage: (message: unknown) => heard.push(message), success: attached };
    channel.attach({ plugin: 'janus.plugin.videoroom', ...events });
    await vi.waitFor(() => expect(attached).toHaveBeenCalled());
    const event = { janus: 'event', sender: 88, plugindata: { data: { videoroom: 'event' } } };
    janus.polls[0]?.end(JSON.stringify([event]));
    await until(() => heard.length);
    expect(heard).toEqual([{ videoroom: 'event' }]);
  });

  test.each([404, 403])(
    'a session that is gone (%i) is lost, after a few polls',
    async (status) => {
      open();
      for (let poll = 0; poll < 4; poll += 1) {
        await until(() => janus.polls.length > poll);
        const response = janus.polls[poll] as ServerResponse;
        response.statusCode = status;
        response.end();
      }
      await until(() => told.length === 2);
      expect(told[1]).toContain('Lost connection');
      expect(janus.polls).toHaveLength(4);
    },
  );

  test('that can’t be opened says so', async () => {
    janus.stop();
    open();
    await until(() => told.length);
    expect(told[0]).toMatch(/^error/);
  });

  test('closed, ends the session with a beacon and leaves no request open', async () => {
    open();
    await until(() => janus.polls.length);
    channel.close();
    expect(beacons).toHaveLength(1);
    expect(beacons[0]?.[0]).toBe(`${url}/77`);
    expect(JSON.parse(beacons[0]?.[1] ?? '')).toMatchObject({ janus: 'destroy' });
    await until(() => janus.ended);
    expect(janus.polls).toHaveLength(1);
    expect(told).toEqual(['success']);
  });

  test('closed before there is a session, takes its request back', async () => {
    open();
    channel.close();
    await new Promise((done) => setTimeout(done, 50));
    expect(told.filter((said) => said === 'success')).toEqual([]);
    expect(janus.polls).toEqual([]);
  });

  test('each session has its own requests: closing one leaves the other’s', async () => {
    open();
    await until(() => janus.polls.length);
    const other = new FakeJanus();
    const first = channel;
    open(await other.start());
    await until(() => other.polls.length);
    first.close();
    await until(() => janus.ended);
    other.polls[0]?.end('[{"janus": "keepalive"}]');
    await until(() => other.polls.length === 2);
    channel.close();
    other.stop();
  });
});
