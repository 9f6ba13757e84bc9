import type { JanusJS } from 'janus-gateway';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { JanusLink } from '../src/call/janus/link';
import { Transports } from '../src/call/janus/session';
import type { LinkEvents } from '../src/call/ports';
import { FakeClock, granted, settle } from './fakes';

type Message = Record<string, unknown>;

/** One plugin handle as janus.js gives it, with what was said on it. */
class FakeHandle {
  sent: Message[] = [];
  detached = false;
  offered: JanusJS.TrackOption[] | null = null;
  answering = true;
  webrtcStuff = { pc: null };

  constructor(readonly callbacks: JanusJS.PluginOptions) {}

  send({ message, success }: JanusJS.PluginMessage): void {
    this.sent.push(message);
    if (message.request === 'exists' && this.answering) success?.({ exists: true });
  }

  createOffer({ tracks, success }: JanusJS.OfferParams): void {
    this.offered = tracks ?? [];
    success?.({ type: 'offer', sdp: 'ours' });
  }

  createAnswer({ success }: { success?: (jsep: JanusJS.JSEP) => void }): void {
    success?.({ type: 'answer', sdp: 'ours' });
  }

  handleRemoteJsep(): void {}

  detach(): void {
    this.detached = true;
  }

  says(message: Message, jsep?: JanusJS.JSEP): void {
    this.callbacks.onmessage?.(message as JanusJS.Message, jsep);
  }

  get requests(): unknown[] {
    return this.sent.map(({ request }) => request);
  }
}

const server = vi.hoisted(() => ({
  handles: [] as unknown[],
  options: {} as Record<string, (argument?: unknown) => void>,
  closed: 0,
}));

vi.mock('../src/call/janus/library', () => ({
  openChannel(options: typeof server.options) {
    server.options = options;
    return {
      attach(callbacks: JanusJS.PluginOptions) {
        const handle = new FakeHandle(callbacks);
        server.handles.push(handle);
        callbacks.success?.(handle as unknown as JanusJS.PluginHandle);
      },
      close: () => {
        server.closed += 1;
      },
    };
  },
}));

class FakeStream {
  readonly tracks = new Set<unknown>();
  addTrack = (track: unknown) => this.tracks.add(track);
  removeTrack = (track: unknown) => this.tracks.delete(track);
}
vi.stubGlobal('MediaStream', FakeStream);

let clock: FakeClock;
let told: unknown[][];
let link: JanusLink;

const handle = (index: number) => server.handles[index] as FakeHandle;
const failures = () => told.filter(([event]) => event === 'failed').map(([, why]) => why);
const bob = { id: 5, display: 'Bob', streams: [{ type: 'audio', mid: '0' }] };

beforeEach(() => {
  server.handles = [];
  server.closed = 0;
  clock = new FakeClock();
  told = [];
  const tell =
    (event: string) =>
    (...what: unknown[]) => {
      told.push([event, ...what]);
    };
  const events: LinkEvents = {
    joined: tell('joined'),
    peer: tell('peer'),
    media: tell('media'),
    failed: tell('failed'),
  };
  const grant = granted({ participant_id: 3 });
  if (grant.kind !== 'granted') throw new Error('unreachable');
  const audio = { kind: 'audio' } as MediaStreamTrack;
  link = new JanusLink(
    { grant: grant.grant, ownIds: [2, 3], tracks: { audio, video: null } },
    events,
    clock,
    new Transports(),
  );
});

function join(publishers: unknown[] = []): void {
  server.options.success?.();
  handle(0).says({ videoroom: 'joined', private_id: 99, publishers });
}

describe('joining', () => {
  test('goes to the first of the machine’s addresses, and without an answer to the next', async () => {
    expect(server.options).toMatchObject({ server: 'ws://janus', token: 'secret' });
    await clock.advance(4000);
    expect(server.options).toMatchObject({ server: 'http://janus/janus', token: 'secret' });
    join();
    expect(told).toEqual([['joined', false]]);
  });

  test('brings the id, the pin and the room’s token, and publishes what there is', () => {
    join();
    expect(handle(0).sent[0]).toEqual({
      request: 'join',
      ptype: 'publisher',
      room: 1234,
      id: 3,
      display: 'Alice',
      pin: 'secret',
      token: 'secret',
    });
    expect(handle(0).requests).toEqual(['join', 'publish']);
    expect(handle(0).offered).toEqual([
      { type: 'audio', capture: { kind: 'audio' }, recv: false, dontStop: true },
    ]);
    expect(told).toEqual([['joined', false]]);
  });

  test('receives who is there already', () => {
    join([bob]);
    expect(handle(1).sent[0]).toEqual({
      request: 'join',
      ptype: 'subscriber',
      room: 1234,
      pin: 'secret',
      token: 'secret',
      private_id: 99,
      streams: [{ feed: 5 }],
    });
    handle(1).says({ videoroom: 'attached' }, { type: 'offer', sdp: 'theirs' });
    expect(handle(1).requests).toEqual(['join', 'start']);
    handle(1).callbacks.iceState?.('connected');
    expect(told.map(([event]) => event)).toEqual(['joined', 'peer', 'media']);
    expect(told[0]).toEqual(['joined', true]);
  });

  test('never receives its own ghost', () => {
    join([{ ...bob, id: 2 }]);
    expect(server.handles).toHaveLength(1);
    expect(told).toEqual([['joined', false]]);
  });

  test.each([426, 432, 433, 436])('error %i is a failure', async (error_code) => {
    server.options.success?.();
    handle(0).says({ videoroom: 'event', error_code });
    await settle();
    expect(failures()).toEqual(['refused']);
  });

  test('must succeed in ten seconds', async () => {
    server.options.success?.();
    await clock.advance(10_000);
    expect(failures()).toEqual(['timeout']);
  });
});

describe('in the room', () => {
  test('follows the other person to their new feed', () => {
    join([bob]);
    handle(0).says({ videoroom: 'event', publishers: [{ ...bob, id: 6 }] });
    expect(handle(1).detached).toBe(true);
    expect(handle(2).sent[0]).toMatchObject({ streams: [{ feed: 6 }] });
    handle(0).says({ videoroom: 'event', leaving: 5 });
    expect(server.handles).toHaveLength(3);
  });

  test.each([
    ['leaving', false],
    ['unpublished', false],
    // Out of the way of their own newer connection.
    ['kicked', true],
  ])('sees the other go (%s), for a moment: %s', async (how, back) => {
    join([bob]);
    handle(0).says({ videoroom: 'event', [how]: 5 });
    handle(1).callbacks.webrtcState?.(false);
    await clock.advance(3000);
    expect(told.at(-1)).toEqual(['peer', null, back]);
    expect(failures()).toEqual([]);
  });

  test('the other may go, or come back, after Janus has closed what we received', async () => {
    join([bob]);
    handle(1).callbacks.webrtcState?.(false);
    handle(0).says({ videoroom: 'event', leaving: 5 });
    handle(0).says({ videoroom: 'event', publishers: [{ ...bob, id: 6 }] });
    await clock.advance(3000);
    expect(failures()).toEqual([]);
    expect(handle(2).sent[0]).toMatchObject({ streams: [{ feed: 6 }] });
  });

  test('not receiving from one who is there is a failure', async () => {
    join([bob]);
    handle(1).callbacks.webrtcState?.(false);
    await clock.advance(1999);
    expect(failures()).toEqual([]);
    await clock.advance(1);
    expect(failures()).toEqual(['hangup']);
  });

  test.each([
    [{ videoroom: 'event', leaving: 'ok', reason: 'kicked' }, 'kicked'],
    [{ videoroom: 'destroyed', room: 1234 }, 'room_gone'],
  ])('%o', async (message, why) => {
    join();
    handle(0).says(message);
    await settle();
    expect(failures()).toEqual([why]);
  });

  test('a lost socket and a hang-up by Janus are failures', async () => {
    join();
    server.options.error?.('Lost connection');
    handle(0).callbacks.webrtcState?.(false);
    await settle();
    expect(failures()).toEqual(['socket', 'hangup']);
  });

  test('ICE that stays disconnected is a failure, ours or theirs', async () => {
    join([bob]);
    handle(0).callbacks.iceState?.('connected');
    handle(1).callbacks.iceState?.('connected');
    handle(1).callbacks.iceState?.('disconnected');
    await clock.advance(5000);
    expect(failures()).toEqual(['ice']);
  });

  test('a Janus that no longer answers is a failure', async () => {
    join();
    handle(0).callbacks.iceState?.('connected');
    await clock.advance(30_000);
    expect(failures()).toEqual([]);
    handle(0).answering = false;
    await clock.advance(15_000);
    expect(failures()).toEqual(['silent']);
  });
});

describe('closing', () => {
  test('leaves, ends the session once, and says nothing more', async () => {
    join([bob]);
    told = [];
    link.close();
    link.close();
    expect(handle(0).requests.at(-1)).toBe('leave');
    expect(handle(1).detached).toBe(true);
    expect(server.closed).toBe(1);
    expect(clock.pending).toBe(0);
    server.options.error?.('Lost connection');
    handle(0).says({ videoroom: 'event', publishers: [{ ...bob, id: 6 }] });
    await clock.advance(60_000);
    expect(told).toEqual([]);
  });

  test('a failure on its way is not told after all', async () => {
    join();
    handle(0).says({ videoroom: 'destroyed' });
    link.close();
    await settle();
    expect(failures()).toEqual([]);
  });

  test('before there was a session, attaches nothing when it comes', () => {
    link.close();
    server.options.success?.();
    expect(server.handles).toHaveLength(0);
  });
});
