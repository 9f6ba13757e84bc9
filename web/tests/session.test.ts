import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { ChannelOptions } from '../src/call/janus/library';
import { OpenSession, Transports } from '../src/call/janus/session';
import { FakeClock, settle } from './fakes';

class FakeChannel {
  closed = false;
  attached: unknown[] = [];

  constructor(readonly options: ChannelOptions) {}

  attach(plugin: unknown): void {
    this.attached.push(plugin);
  }

  close(): void {
    this.closed = true;
  }
}

const made = vi.hoisted(() => ({ channels: [] as unknown[], refuse: false }));

vi.mock('../src/call/janus/library', () => ({
  openChannel(options: ChannelOptions) {
    const channel = new FakeChannel(options);
    made.channels.push(channel);
    if (made.refuse) options.error('refused');
    return channel;
  },
}));

const WS = 'wss://vm/janus';
const HTTP = 'https://vm/janus';

let clock: FakeClock;
let transports: Transports;
let told: string[];

const channel = (index: number) => made.channels[index] as FakeChannel;
const tried = () => made.channels.map((one) => (one as FakeChannel).options.server);

function open(...servers: string[]): OpenSession {
  return new OpenSession(
    {
      servers: servers.length > 0 ? servers : [WS, HTTP],
      token: 'secret',
      iceServers: [],
      success: () => told.push('success'),
      error: (error) => told.push(`error: ${error}`),
      destroyed: () => told.push('destroyed'),
    },
    transports,
    clock,
  );
}

beforeEach(() => {
  made.channels = [];
  made.refuse = false;
  clock = new FakeClock();
  transports = new Transports();
  told = [];
});

describe('a session', () => {
  test('is opened over the first transport, and then stays there', async () => {
    const session = open();
    channel(0).options.success();
    session.attach({} as never);
    await clock.advance(60_000);
    expect(tried()).toEqual([WS]);
    expect(told).toEqual(['success']);
    expect(channel(0).attached).toHaveLength(1);
  });

  test('takes the next one when the first is refused', async () => {
    const session = open();
    channel(0).options.error('blocked');
    await settle();
    expect(channel(0).closed).toBe(true);
    channel(1).options.success();
    session.attach({} as never);
    expect(tried()).toEqual([WS, HTTP]);
    expect(told).toEqual(['success']);
    expect(channel(1).attached).toHaveLength(1);
  });

  test('takes the next one when the first is not answered in four seconds', async () => {
    open();
    await clock.advance(3999);
    expect(tried()).toEqual([WS]);
    await clock.advance(1);
    expect(tried()).toEqual([WS, HTTP]);
    expect(channel(0).closed).toBe(true);
    channel(0).options.success();
    channel(0).options.error('late');
    await settle();
    expect(told).toEqual([]);
  });

  test('fails when the last one does, also before it could be told', async () => {
    made.refuse = true;
    open();
    await settle();
    expect(tried()).toEqual([WS, HTTP]);
    expect(told).toEqual(['error: refused']);
  });

  test('for the only one it waits as long as whoever asked', async () => {
    open(WS);
    await clock.advance(60_000);
    expect(channel(0).closed).toBe(false);
    expect(clock.pending).toBe(0);
  });

  test('that was lost is lost: which way to go next is for the next one', async () => {
    open();
    channel(0).options.success();
    channel(0).options.error('Lost connection');
    await settle();
    expect(tried()).toEqual([WS]);
    expect(told).toEqual(['success', 'error: Lost connection']);
  });

  test('once closed tries and tells nothing more', async () => {
    const session = open();
    channel(0).options.error('blocked');
    session.close();
    await clock.advance(60_000);
    expect(tried()).toEqual([WS]);
    expect(channel(0).closed).toBe(true);
    channel(0).options.success();
    expect(told).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('the next session', () => {
  test('begins with HTTP where WebSockets were swallowed', async () => {
    open();
    await clock.advance(4000);
    channel(1).options.success();
    open('wss://other/janus', 'https://other/janus');
    expect(tried().slice(2)).toEqual(['https://other/janus']);
    channel(2).options.error('gone');
    await settle();
    expect(tried().slice(2)).toEqual(['https://other/janus', 'wss://other/janus']);
  });

  test('begins with the WebSocket when nothing answered: it was the machine', async () => {
    open();
    await clock.advance(4000);
    channel(1).options.error('no answer');
    await settle();
    open();
    expect(tried()).toEqual([WS, HTTP, WS]);
  });

  test('begins with the WebSocket when it was refused: that costs no time', async () => {
    open();
    channel(0).options.error('refused');
    await settle();
    channel(1).options.success();
    open();
    expect(tried()).toEqual([WS, HTTP, WS]);
  });
});
