import { beforeEach, describe, expect, test } from 'vitest';
import type { Looked } from '../src/call/booked';
import { Call, PEER_RETURN_MS } from '../src/call/call';
import type { JoinOutcome } from '../src/call/grant';
import type { Phase } from '../src/call/snapshot';
import { booked, FakeClock, granted, HOUR, REMOTE, settle, World } from './fakes';

let world: World;
let call: Call;

beforeEach(() => {
  world = new World();
  call = new Call(world);
});

const phase = () => call.snapshot.phase;

async function start(...answers: JoinOutcome[]): Promise<void> {
  world.answers = answers;
  call.start();
  await settle();
}

/** In the call, with the other there and heard. */
async function connected(...answers: JoinOutcome[]): Promise<void> {
  await start(...answers);
  world.link.events.joined(true);
  world.link.events.peer('Bob');
  world.link.events.media(REMOTE);
  expect(phase()).toBe('connected');
}

describe('entering', () => {
  test('goes from joining over waiting for the other to connected', async () => {
    const seen: Phase[] = [];
    call.subscribe((snapshot) => {
      if (seen.at(-1) !== snapshot.phase) seen.push(snapshot.phase);
    });
    await start();
    world.link.events.joined(false);
    world.link.events.peer('Bob');
    world.link.events.media(REMOTE);
    expect(seen).toEqual(['joining', 'waiting_peer', 'connected']);
    expect(call.snapshot).toMatchObject({ participant: 1, host: true, peerName: 'Bob' });
  });

  test('shows no waiting when the other is there already', async () => {
    await start();
    world.link.events.joined(true);
    expect(phase()).toBe('joining');
  });

  test('too early: waits, asks each minute, and enters by itself when it opens', async () => {
    await start({ kind: 'too_early', opensInMs: 90_000 });
    expect(phase()).toBe('waiting');
    expect(call.snapshot.opensAt).toBe(world.clock.now() + 90_000);
    world.answers = [{ kind: 'too_early', opensInMs: 30_000 }, granted()];
    await world.clock.advance(60_000);
    expect(world.asks).toBe(2);
    expect(phase()).toBe('waiting');
    await world.clock.advance(30_000);
    expect(phase()).toBe('joining');
    expect(call.snapshot.opensAt).toBeNull();
  });

  test('starting: polls as the API says and tells how the machine fares', async () => {
    const starting = { kind: 'starting', roomState: 'waiting', retryAfterMs: 4000 } as const;
    await start(starting, { ...starting, roomState: 'retrying' }, granted());
    expect(call.snapshot).toMatchObject({ phase: 'starting', roomState: 'waiting' });
    await world.clock.advance(3999);
    expect(world.asks).toBe(1);
    await world.clock.advance(1);
    expect(call.snapshot.roomState).toBe('retrying');
    await world.clock.advance(4000);
    expect(phase()).toBe('joining');
  });

  test('no answer: asks again with ever longer pauses, then says that it is difficult', async () => {
    await start({ kind: 'unavailable', retryAfterMs: null });
    expect(call.snapshot).toMatchObject({ phase: 'joining', troubled: false });
    await world.clock.advance(500);
    expect(world.asks).toBe(2);
    await world.clock.advance(999);
    expect(world.asks).toBe(2);
    await world.clock.advance(1);
    expect(world.asks).toBe(3);
    expect(call.snapshot.troubled).toBe(true);
    await world.clock.advance(2000 + 2500 + 2500);
    expect(world.asks).toBe(6);
  });

  test('503: honours Retry-After when it is longer than our own pause', async () => {
    await start({ kind: 'unavailable', retryAfterMs: 7000 }, granted());
    await world.clock.advance(6999);
    expect(world.asks).toBe(1);
    await world.clock.advance(1);
    expect(world.links).toHaveLength(1);
  });

  test('429: asks no sooner than it is told, and says until when', async () => {
    await start({ kind: 'throttled', retryAfterMs: 42_000 }, granted());
    expect(call.snapshot).toMatchObject({ phase: 'joining', troubled: false });
    expect(call.snapshot.throttledUntil).toBe(world.clock.now() + 42_000);
    await world.clock.advance(41_999);
    expect(world.asks).toBe(1);
    await world.clock.advance(1);
    expect(world.links).toHaveLength(1);
    expect(call.snapshot.throttledUntil).toBeNull();
  });

  test('full: says so, and enters when somebody leaves', async () => {
    await start({ kind: 'full' }, granted());
    expect(phase()).toBe('full');
    await world.clock.advance(10_000);
    expect(phase()).toBe('joining');
  });

  test.each([
    [{ kind: 'over', why: 'booking_over' }, 'ended', 'booking_over'],
    [{ kind: 'over', why: 'booking_cancelled' }, 'ended', 'booking_cancelled'],
    [{ kind: 'denied', why: 'invite_invalid' }, 'denied', 'invite_invalid'],
    [{ kind: 'denied', why: 'signed_out' }, 'denied', 'signed_out'],
    [{ kind: 'broken' }, 'error', 'broken'],
  ] as const)('%o is final', async (outcome, expected, reason) => {
    await start(outcome);
    expect(call.snapshot).toMatchObject({ phase: expected, reason });
    await world.clock.advance(HOUR);
    expect(world.asks).toBe(1);
    expect(world.clock.pending).toBe(0);
  });

  test('a person in a hurry does not wait for the timer, nor ask twice', async () => {
    await start({ kind: 'full' }, granted());
    call.hurry();
    call.hurry();
    await settle();
    expect(world.asks).toBe(2);
    await world.clock.advance(9999);
    expect(world.asks).toBe(2);
  });
});

describe('losing the connection', () => {
  test.each(['socket', 'janus', 'ice', 'timeout', 'silent', 'hangup', 'refused'] as const)(
    '%s: throws the link away and gets a new seat',
    async (why) => {
      await connected();
      const old = world.link;
      old.events.failed(why);
      expect(call.snapshot).toMatchObject({ phase: 'reconnecting', participant: null });
      expect(old.closed).toBe(true);
      await world.clock.advance(500);
      expect(world.links).toHaveLength(2);
      expect(call.snapshot.participant).toBe(2);
      expect(phase()).toBe('reconnecting');
      world.link.events.joined(true);
      world.link.events.media(REMOTE);
      expect(phase()).toBe('connected');
    },
  );

  test('keeps showing the last picture until there is another', async () => {
    await connected();
    world.link.events.failed('socket');
    expect(call.snapshot.remote).toBe(REMOTE);
    await world.clock.advance(500);
    world.link.events.joined(false);
    expect(call.snapshot.remote).toBe(REMOTE);
    await world.clock.advance(PEER_RETURN_MS);
    expect(call.snapshot.remote).toBeNull();
  });

  test('many complaints of one link are one loss, and an old link has no say', async () => {
    await connected();
    const old = world.link;
    old.events.failed('socket');
    old.events.failed('ice');
    await world.clock.advance(500);
    old.events.failed('hangup');
    old.events.peer(null);
    expect(world.asks).toBe(2);
    expect(world.open).toBe(1);
    expect(phase()).toBe('reconnecting');
  });

  test('a server that is not ready yet (426 and the like) is tried again, ever more slowly', async () => {
    await connected();
    const pauses = [500, 1000, 2000, 2500, 2500];
    for (const pause of pauses) {
      world.link.events.failed('refused', '426');
      const before = world.asks;
      await world.clock.advance(pause - 1);
      expect(world.asks).toBe(before);
      await world.clock.advance(1);
      expect(world.asks).toBe(before + 1);
    }
    expect(world.mostAsking).toBe(1);
    expect(world.open).toBe(1);
    expect(call.snapshot.troubled).toBe(true);
  });

  test('a connection that held counts the next loss as the first', async () => {
    await connected();
    for (const pause of [500, 1000, 2000]) {
      world.link.events.failed('socket');
      await world.clock.advance(pause);
    }
    world.link.events.joined(true);
    await world.clock.advance(10_000);
    expect(call.snapshot.troubled).toBe(false);
    const before = world.asks;
    world.link.events.failed('socket');
    await world.clock.advance(500);
    expect(world.asks).toBe(before + 1);
  });

  test('while the API is away it stays reconnecting; while the machine starts too', async () => {
    await connected(
      granted(),
      { kind: 'unavailable', retryAfterMs: null },
      { kind: 'starting', roomState: 'starting', retryAfterMs: 1000 },
      granted({ participant_id: 9 }),
    );
    world.link.events.failed('socket');
    await world.clock.advance(500);
    expect(phase()).toBe('reconnecting');
    await world.clock.advance(1000);
    expect(phase()).toBe('reconnecting');
    await world.clock.advance(1000);
    expect(call.snapshot).toMatchObject({ phase: 'reconnecting', participant: 9 });
  });

  test('stops when the API says that it is over', async () => {
    await connected(granted(), { kind: 'over', why: 'booking_over' });
    world.link.events.failed('socket');
    await world.clock.advance(HOUR);
    expect(call.snapshot).toMatchObject({ phase: 'ended', reason: 'booking_over' });
    expect(world.asks).toBe(2);
    expect(world.clock.pending).toBe(0);
  });

  test('a peer who leaves is waited for; the connection stays', async () => {
    await connected();
    world.link.events.peer(null);
    expect(call.snapshot).toMatchObject({ phase: 'waiting_peer', peerName: null, remote: null });
    await world.clock.advance(60_000);
    expect(world.links).toHaveLength(1);
  });

  test('the network is back: does not wait for the timer', async () => {
    await connected(granted(), { kind: 'unavailable', retryAfterMs: 60_000 }, granted());
    world.link.events.failed('socket');
    await world.clock.advance(500);
    call.hurry();
    await settle();
    expect(world.links).toHaveLength(2);
  });

  test('tells the new link every id that was ours, for they may haunt the room', async () => {
    await connected();
    world.link.events.failed('socket');
    await world.clock.advance(500);
    expect(world.link.request.ownIds).toEqual([1, 2]);
  });

  test('goes to the machine that has the room now', async () => {
    await connected(granted({ janus_urls: ['wss://one', 'https://one'] }));
    world.answers = [granted({ janus_urls: ['wss://two', 'https://two'] })];
    world.link.events.failed('socket');
    await world.clock.advance(1000);
    expect(world.links.map(({ request }) => request.grant.janus_urls)).toEqual([
      ['wss://one', 'https://one'],
      ['wss://two', 'https://two'],
    ]);
  });

  test('offers the tracks of now', async () => {
    await connected();
    world.sent = { audio: { id: 'new' } as MediaStreamTrack, video: null };
    world.link.events.failed('socket');
    await world.clock.advance(500);
    expect(world.link.request.tracks.audio?.id).toBe('new');
  });
});

describe('being shown the door', () => {
  test('asks the API at once, and its answer decides', async () => {
    await connected(granted(), { kind: 'over', why: 'booking_over' });
    world.link.events.failed('kicked');
    await world.clock.advance(0);
    expect(call.snapshot).toMatchObject({ phase: 'ended', reason: 'booking_over' });
  });

  test('twice in a row means that another copy of this tab has the seat', async () => {
    await connected();
    world.link.events.failed('kicked');
    await world.clock.advance(0);
    world.link.events.joined(true);
    world.link.events.failed('kicked');
    await world.clock.advance(HOUR);
    expect(call.snapshot).toMatchObject({ phase: 'ended', reason: 'replaced' });
    expect(world.asks).toBe(2);
  });

  test('a second time much later is a first time', async () => {
    await connected();
    world.link.events.failed('kicked');
    await world.clock.advance(30_000);
    world.link.events.failed('kicked');
    await world.clock.advance(0);
    expect(world.asks).toBe(3);
  });
});

describe('two pages of whoever booked', () => {
  /** Both have one seat: a grant takes it, and throws out whoever had it. An ask takes a while. */
  class OneSeat {
    readonly clock = new FakeClock();
    readonly pages: { world: World; call: Call; last: number }[] = [];
    private ids = 0;
    private seat = 0;
    thefts = 0;

    open(latencyMs = 50): (typeof this.pages)[number] {
      const world = new World(this.clock);
      const page = { world, call: new Call(world), last: 0 };
      world.join = async () => {
        world.asks += 1;
        await new Promise<void>((resolve) => this.clock.after(latencyMs, resolve));
        page.last = ++this.ids;
        this.seat = page.last;
        // Whoever is in the room without a seat is shown the door, a moment later.
        this.clock.after(10, () => this.clear());
        return granted({ participant_id: page.last });
      };
      const connect = world.connect.bind(world);
      world.connect = (request, events) => {
        const link = connect(request, events);
        this.clock.after(200, () => {
          if (world.link !== link || world.link.closed) return;
          events.joined(true);
          events.media(REMOTE);
          this.clear();
        });
        return link;
      };
      this.pages.push(page);
      return page;
    }

    private clear(): void {
      for (const { world, call } of this.pages) {
        const id = call.snapshot.participant;
        if (id === null || id === this.seat || world.open === 0) continue;
        this.thefts += 1;
        world.link.events.failed('kicked');
      }
    }
  }

  const REPLACED = { phase: 'ended', reason: 'replaced' };
  let room: OneSeat;

  beforeEach(() => {
    room = new OneSeat();
  });

  async function enter(page: ReturnType<OneSeat['open']>): Promise<void> {
    page.call.start();
    await room.clock.advance(1000);
  }

  test.each([
    [50, 50],
    [50, 900],
    [900, 50],
    [5, 2000],
    [2000, 5],
  ])(
    'the older ends and the newer stays, if the API answers them in %i and %i ms',
    async (toOlder, toNewer) => {
      const older = room.open(toOlder);
      const newer = room.open(toNewer);
      older.call.start();
      await room.clock.advance(60_000);
      newer.call.start();
      await room.clock.advance(29_000);
      expect(older.call.snapshot).toMatchObject(REPLACED);
      expect(newer.call.snapshot.phase).toBe('connected');
      const asks = [older.world.asks, newer.world.asks];
      await room.clock.advance(HOUR / 2);
      expect([older.world.asks, newer.world.asks]).toEqual(asks);
      expect(room.thefts).toBeLessThanOrEqual(3);
      expect(newer.call.snapshot.phase).toBe('connected');
      expect(older.world.open).toBe(0);
    },
  );

  test('each newer one of three, and one that takes it back', async () => {
    const [first, second, third] = [room.open(), room.open(), room.open()];
    await enter(first);
    await enter(second);
    await room.clock.advance(2000);
    await enter(third);
    await room.clock.advance(2000);
    expect(first.call.snapshot).toMatchObject(REPLACED);
    expect(second.call.snapshot).toMatchObject(REPLACED);
    expect(third.call.snapshot.phase).toBe('connected');
    await enter(first);
    await room.clock.advance(2000);
    expect(first.call.snapshot.phase).toBe('connected');
    expect(third.call.snapshot).toMatchObject(REPLACED);
  });

  test('an older one that slept through it wakes, and does not push the newer out', async () => {
    const [older, newer] = [room.open(), room.open()];
    await enter(older);
    await room.clock.advance(60_000);
    const asleep = older.world.link;
    const events = { ...asleep.events };
    asleep.events.failed = () => {};
    await enter(newer);
    await room.clock.advance(10 * 60_000);
    expect(newer.call.snapshot.phase).toBe('connected');
    events.failed('socket');
    await room.clock.advance(29_000);
    expect(older.call.snapshot).toMatchObject(REPLACED);
    expect(newer.call.snapshot.phase).toBe('connected');
    expect(newer.world.open).toBe(1);
  });

  test('a late answer to our own question is no other page', async () => {
    await connected(granted(), { kind: 'unavailable', retryAfterMs: null }, granted());
    world.link.events.failed('socket');
    await world.clock.advance(500 + 1000);
    expect(world.links).toHaveLength(2);
    world.link.events.failed('kicked');
    await world.clock.advance(0);
    expect(world.links).toHaveLength(3);
    expect(phase()).toBe('reconnecting');
  });
});

describe('silence', () => {
  test('is noticed after five seconds in which nothing arrives', async () => {
    await connected();
    world.link.now = { received: 10, sent: 5, reported: 1 };
    world.link.events.joined(true);
    await world.clock.advance(5000);
    expect(phase()).toBe('connected');
    await world.clock.advance(1000);
    expect(phase()).toBe('reconnecting');
    expect(world.links[0]?.closed).toBe(true);
  });

  test('is not the silence of a room where nobody else is', async () => {
    await start();
    world.link.events.joined(false);
    world.link.now = { received: null, sent: null, reported: null };
    await world.clock.advance(60_000);
    expect(phase()).toBe('waiting_peer');
  });

  test('of the last link does not count against the next', async () => {
    const stuck = { received: 10, sent: null, reported: null };
    await start();
    world.link.now = stuck;
    world.link.events.joined(true);
    await world.clock.advance(5000);
    world.link.events.failed('socket');
    await world.clock.advance(500);
    world.link.now = stuck;
    world.link.events.joined(true);
    await world.clock.advance(5000);
    expect(world.links).toHaveLength(2);
    await world.clock.advance(2000);
    expect(world.links).toHaveLength(3);
  });
});

describe('the end of the booked time', () => {
  const MINUTE = 60_000;
  /** A call that is booked for ten minutes more, and may go on for ten after that. */
  const ten = () => granted({}, 20 * MINUTE);

  test('is known from the start, and stays for as long as nothing changes', async () => {
    await connected(ten());
    const now = world.clock.now();
    expect(call.snapshot.ends).toEqual({
      bookedAt: now + 10 * MINUTE,
      bookedTime: '2026-06-20T11:00:00Z',
      closesAt: now + 20 * MINUTE,
      extended: false,
    });
    world.looked = booked('running');
    await world.clock.advance(9 * MINUTE);
    expect(call.snapshot.ends?.bookedAt).toBe(now + 10 * MINUTE);
    expect(world.asks).toBe(1);
    expect(world.links).toHaveLength(1);
  });

  test('an extension is learnt without rejoining, and the page moves once, well before the expiry', async () => {
    await connected(ten(), granted({ participant_id: 2, end_time: '2026-06-20T11:15:00Z' }, HOUR));
    const now = world.clock.now();
    world.looked = booked('running', 15 * MINUTE);
    await world.clock.advance(30_000);
    expect(call.snapshot.ends).toEqual({
      bookedAt: now + 25 * MINUTE,
      bookedTime: '2026-06-20T11:15:00.000Z',
      closesAt: now + 35 * MINUTE,
      extended: true,
    });
    expect(world.asks).toBe(1);
    await world.clock.advance(15 * MINUTE - 30_000);
    expect(world.asks).toBe(2);
    expect(world.links).toHaveLength(2);
    expect(world.open).toBe(1);
    expect(call.snapshot).toMatchObject({ participant: 2, ends: { extended: true } });
  });

  test('a short extension is moved to before its own end, for then nobody is let in', async () => {
    await connected(ten(), granted({ participant_id: 2, end_time: '2026-06-20T11:02:00Z' }, HOUR));
    world.looked = booked('running', 2 * MINUTE);
    await world.clock.advance(7 * MINUTE - 1);
    expect(world.asks).toBe(1);
    await world.clock.advance(1);
    expect(call.snapshot).toMatchObject({ participant: 2 });
  });

  test('an extension of our own needs no question', async () => {
    await connected(ten());
    const { booked: longer } = booked('running', 30 * MINUTE) as Extract<
      Looked,
      { booked: object }
    >;
    call.learn(longer);
    expect(call.snapshot.ends?.bookedAt).toBe(world.clock.now() + 40 * MINUTE);
    expect(world.looks).toBe(0);
  });

  test('when it is not extended, the call closes with its tokens', async () => {
    await connected(ten());
    world.looked = booked('over');
    const seen: Phase[] = [];
    call.subscribe((snapshot) => seen.push(snapshot.phase));
    await world.clock.advance(20 * MINUTE);
    expect(phase()).toBe('connected');
    await world.clock.advance(1000);
    expect(seen).not.toContain('reconnecting');
    expect(world.asks).toBe(1);
    expect(call.snapshot).toMatchObject({ phase: 'ended', reason: 'booking_over', ends: null });
    expect(world.clock.pending).toBe(0);
  });

  test.each([
    ['ended', 'ended_for_all'],
    ['cancelled', 'booking_cancelled'],
  ] as const)('a booking that was %s stops the call, whatever Janus does', async (how, reason) => {
    await connected(ten());
    world.looked = booked(how);
    await world.clock.advance(30_000);
    expect(call.snapshot).toMatchObject({ phase: 'ended', reason });
    expect(world.open).toBe(0);
    expect(world.clock.pending).toBe(0);
  });

  test('when nobody tells that it was extended, the answer to the next question does', async () => {
    await connected(ten(), granted({ participant_id: 2 }, HOUR));
    await world.clock.advance(20 * MINUTE + 1000);
    expect(call.snapshot).toMatchObject({ phase: 'reconnecting', participant: 2 });
  });

  test('is asked for each half minute or so, and each five seconds while it is counted down', async () => {
    await connected(ten());
    world.looked = booked('running');
    await world.clock.advance(5 * MINUTE);
    expect(world.looks).toBe(12);
    // With jitter, between four and six seconds.
    await world.clock.advance(5 * MINUTE);
    expect(world.looks).toBe(12 + 73);
  });

  test('is asked for at once when something suggests a change, and not twice in a row', async () => {
    await connected(ten());
    world.looked = booked('running', 15 * MINUTE);
    await world.clock.advance(2000);
    call.glance();
    call.glance();
    await world.clock.advance(0);
    expect(world.looks).toBe(1);
    expect(call.snapshot.ends).toMatchObject({ extended: true });
    call.glance();
    await world.clock.advance(1999);
    expect(world.looks).toBe(1);
    await world.clock.advance(1);
    call.glance();
    expect(world.looks).toBe(2);
  });

  test('a glance asks no sooner than the API allows, nor once the call is over', async () => {
    await connected(ten());
    world.looked = { kind: 'unknown', retryAfterMs: 2 * MINUTE };
    await world.clock.advance(24_000 + 2 * MINUTE - 1);
    call.glance();
    expect(world.looks).toBe(1);
    call.leave();
    call.glance();
    expect(world.looks).toBe(1);
  });

  test('is asked for no sooner than the API allows', async () => {
    await connected(ten());
    world.looked = { kind: 'unknown', retryAfterMs: 2 * MINUTE };
    await world.clock.advance(24_000 + 2 * MINUTE - 1);
    expect(world.looks).toBe(1);
    await world.clock.advance(1);
    expect(world.looks).toBe(2);
  });

  test('an API that does not answer changes nothing', async () => {
    await connected(ten());
    await world.clock.advance(15 * MINUTE);
    expect(world.looks).toBeGreaterThan(20);
    expect(call.snapshot).toMatchObject({ phase: 'connected', ends: { extended: false } });
  });
});

describe('the other person', () => {
  test('is said to have been here once they were, until a new stay begins', async () => {
    await start(granted());
    world.link.events.joined(false);
    expect(call.snapshot).toMatchObject({ phase: 'waiting_peer', met: false });
    world.link.events.media(REMOTE);
    world.link.events.peer(null);
    expect(call.snapshot).toMatchObject({ phase: 'waiting_peer', met: true });
    call.leave();
    expect(call.snapshot.met).toBe(false);
  });

  test('leaving is a reason to ask how the booking fares', async () => {
    await connected(granted());
    await world.clock.advance(5000);
    world.link.events.peer(null);
    expect(world.looks).toBe(1);
  });
});

test('whoever can’t enter is refused before a seat is asked for', () => {
  call.refuse('not_found');
  expect(call.snapshot).toMatchObject({ phase: 'denied', reason: 'not_found' });
  expect(world.asks).toBe(0);
});

describe('moving to the tokens of an extended call', () => {
  const LONGER = { participant_id: 2, end_time: '2026-06-20T11:15:00Z' };

  /** Four minutes before the expiry it moves at once. */
  async function extended(...answers: (JoinOutcome | Promise<JoinOutcome>)[]): Promise<void> {
    await connected(granted({}, 240_000));
    world.answers = answers;
    world.looked = booked('running', 900_000);
    await world.clock.advance(4000);
  }

  test('shows the last picture, and no loss', async () => {
    await extended(granted(LONGER, HOUR));
    expect(call.snapshot).toMatchObject({ phase: 'reconnecting', moving: true, remote: REMOTE });
    world.link.events.joined(true);
    world.link.events.media(REMOTE);
    expect(call.snapshot).toMatchObject({ phase: 'connected', moving: false });
  });

  test.each([
    { kind: 'unavailable', retryAfterMs: null },
    { kind: 'over', why: 'booking_over' },
    { kind: 'full' },
  ] as const)('a refusal (%o) cuts off nothing, and it tries again', async (refusal) => {
    await extended(refusal, granted(LONGER, HOUR));
    expect(call.snapshot).toMatchObject({ phase: 'connected', moving: false, participant: 1 });
    expect(world.open).toBe(1);
    await world.clock.advance(5000);
    expect(world.asks).toBe(3);
    expect(call.snapshot).toMatchObject({ participant: 2, moving: true });
  });

  test('waits for as long as it is told', async () => {
    await extended({ kind: 'throttled', retryAfterMs: 20_000 }, granted(LONGER, HOUR));
    await world.clock.advance(19_999);
    expect(world.asks).toBe(2);
    await world.clock.advance(1);
    expect(world.asks).toBe(3);
  });

  test('being thrown out in favour of the new tokens is neither a loss nor a second question', async () => {
    let answer: (outcome: JoinOutcome) => void = () => {};
    await extended(
      new Promise((resolve) => {
        answer = resolve;
      }),
    );
    const looks = world.looks;
    world.link.events.failed('kicked');
    expect(call.snapshot).toMatchObject({ phase: 'reconnecting', moving: true });
    await world.clock.advance(10_000);
    answer(granted(LONGER, HOUR));
    await settle();
    expect(world.mostAsking).toBe(1);
    expect(world.asks).toBe(2);
    expect(world.looks).toBe(looks);
    expect(call.snapshot).toMatchObject({ participant: 2, moving: true });
    expect(world.open).toBe(1);
    // Nor does it count as the first of two.
    world.answers = [granted({ participant_id: 3 }, HOUR)];
    world.link.events.failed('kicked');
    await world.clock.advance(0);
    expect(call.snapshot).toMatchObject({ phase: 'reconnecting', participant: 3 });
  });

  test('a loss meanwhile waits for that answer, and asks nothing more after it', async () => {
    let answer: (outcome: JoinOutcome) => void = () => {};
    await extended(
      new Promise((resolve) => {
        answer = resolve;
      }),
    );
    world.link.events.failed('socket');
    answer(granted(LONGER, HOUR));
    await settle();
    world.link.events.joined(true);
    await world.clock.advance(60_000);
    expect(world.asks).toBe(2);
    expect(world.links).toHaveLength(2);
  });

  test('the other, who moves at the same time, is not said to have gone', async () => {
    await extended(granted(LONGER, HOUR));
    world.link.events.joined(false);
    expect(call.snapshot).toMatchObject({ phase: 'reconnecting', moving: true, remote: REMOTE });
    await world.clock.advance(3000);
    world.link.events.peer('Bob');
    await world.clock.advance(3000);
    expect(phase()).toBe('reconnecting');
    world.link.events.media(REMOTE);
    expect(phase()).toBe('connected');
  });

  test('and is said to have gone when they do not come', async () => {
    await extended(granted(LONGER, HOUR));
    world.link.events.joined(false);
    await world.clock.advance(4000);
    expect(call.snapshot).toMatchObject({ phase: 'waiting_peer', moving: false, remote: null });
  });
});

describe('the other moves to another connection', () => {
  test('their last picture stays until the next', async () => {
    await connected();
    world.link.events.peer(null, true);
    expect(call.snapshot).toMatchObject({ phase: 'connected', remote: REMOTE, peerName: 'Bob' });
    expect(call.snapshot.held).toBe(true);
    await world.clock.advance(1000);
    world.link.events.peer('Bob');
    world.link.events.media(REMOTE);
    await world.clock.advance(10_000);
    expect(call.snapshot).toMatchObject({ phase: 'connected', held: false });
  });

  test('or, after some seconds, they have gone', async () => {
    await connected();
    world.link.events.peer(null, true);
    await world.clock.advance(4000);
    expect(call.snapshot).toMatchObject({ phase: 'waiting_peer', remote: null, peerName: null });
    expect(call.snapshot.held).toBe(false);
  });

  test('a loss of our own meanwhile is what is told', async () => {
    await connected();
    world.link.events.peer(null, true);
    world.link.events.failed('socket');
    await world.clock.advance(4000);
    expect(phase()).toBe('reconnecting');
  });
});

describe('both come back after their server was lost', () => {
  /** We are back, and the other is not. */
  async function backAlone(): Promise<Phase[]> {
    await connected();
    const seen: Phase[] = [];
    call.subscribe((snapshot) => seen.push(snapshot.phase));
    world.link.events.failed('socket');
    await world.clock.advance(500);
    world.link.events.joined(false);
    return seen;
  }

  test('whoever is back first is not told that the other has left', async () => {
    const seen = await backAlone();
    await world.clock.advance(PEER_RETURN_MS - 1);
    world.link.events.peer('Bob');
    await world.clock.advance(2000);
    world.link.events.media(REMOTE);
    await world.clock.advance(60_000);
    expect(phase()).toBe('connected');
    expect(call.snapshot.held).toBe(false);
    expect(seen).not.toContain('waiting_peer');
  });

  test('but after some seconds of an empty seat they are', async () => {
    const seen = await backAlone();
    await world.clock.advance(PEER_RETURN_MS - 1);
    expect(seen).not.toContain('waiting_peer');
    expect(call.snapshot).toMatchObject({ phase: 'reconnecting', remote: REMOTE });
    await world.clock.advance(1);
    expect(call.snapshot).toMatchObject({ phase: 'waiting_peer', remote: null, held: false });
  });

  test('a first attempt of the other that fails is no leaving, and the seconds begin anew', async () => {
    const seen = await backAlone();
    await world.clock.advance(3000);
    world.link.events.peer('Bob');
    await world.clock.advance(1000);
    world.link.events.peer(null);
    await world.clock.advance(PEER_RETURN_MS - 1);
    expect(seen).not.toContain('waiting_peer');
    await world.clock.advance(1);
    expect(phase()).toBe('waiting_peer');
  });

  test('a second loss of our own meanwhile does not make it one either', async () => {
    const seen = await backAlone();
    await world.clock.advance(1000);
    world.link.events.failed('socket');
    await world.clock.advance(1000);
    world.link.events.joined(false);
    await world.clock.advance(PEER_RETURN_MS - 1);
    expect(seen).not.toContain('waiting_peer');
    world.link.events.media(REMOTE);
    expect(phase()).toBe('connected');
  });

  test('once both are back, a leaving is told at once', async () => {
    await backAlone();
    world.link.events.peer('Bob');
    world.link.events.media(REMOTE);
    world.link.events.peer(null);
    expect(call.snapshot).toMatchObject({ phase: 'waiting_peer', remote: null, held: false });
  });

  test('the other had left before: so it stays', async () => {
    await connected();
    world.link.events.peer(null);
    world.link.events.failed('socket');
    await world.clock.advance(500);
    world.link.events.joined(false);
    expect(call.snapshot).toMatchObject({ phase: 'waiting_peer', met: true });
  });
});

describe('the room goes away', () => {
  test.each(['room_gone', 'kicked'] as const)(
    '%s: the host has ended it, and nobody reads "reconnecting"',
    async (why) => {
      await connected(granted({ host: false }));
      world.looked = booked('ended');
      const seen: Phase[] = [];
      call.subscribe((snapshot) => seen.push(snapshot.phase));
      world.link.events.failed(why);
      await settle();
      expect(call.snapshot).toMatchObject({ phase: 'ended', reason: 'ended_by_host' });
      expect(seen).not.toContain('reconnecting');
      expect(world.asks).toBe(1);
      expect(world.open).toBe(0);
      expect(world.clock.pending).toBe(0);
    },
  );

  test('because Janus was started anew: it asks for a seat as ever', async () => {
    await connected();
    world.looked = booked('running');
    world.link.events.failed('room_gone');
    await settle();
    expect(phase()).toBe('reconnecting');
    await world.clock.advance(500);
    expect(world.links).toHaveLength(2);
  });

  test('no answer within two seconds: it says that it reconnects, and heeds no late one', async () => {
    await connected();
    let answer: (looked: Looked) => void = () => {};
    world.looked = new Promise((resolve) => {
      answer = resolve;
    });
    world.link.events.failed('room_gone');
    await world.clock.advance(1999);
    expect(phase()).toBe('connected');
    await world.clock.advance(501);
    expect(world.asks).toBe(2);
    answer(booked('ended'));
    await settle();
    expect(phase()).toBe('reconnecting');
  });

  test('while we leave: nothing comes of the answer', async () => {
    await connected();
    world.looked = booked('running');
    world.link.events.failed('room_gone');
    call.leave();
    await world.clock.advance(10_000);
    expect(call.snapshot).toMatchObject({ phase: 'ended', reason: 'left' });
    expect(world.asks).toBe(1);
  });
});

describe('leaving', () => {
  test('closes the link, and nothing goes on', async () => {
    await connected();
    call.leave();
    expect(world.link.closed).toBe(true);
    expect(call.snapshot).toMatchObject({ phase: 'ended', reason: 'left', participant: null });
    await world.clock.advance(HOUR);
    expect(world.asks).toBe(1);
    expect(world.clock.pending).toBe(0);
  });

  test('while the API is asked: its late answer opens nothing', async () => {
    let answer: (outcome: JoinOutcome) => void = () => {};
    world.answers = [
      new Promise((resolve) => {
        answer = resolve;
      }),
    ];
    call.start();
    await settle();
    call.leave();
    answer(granted());
    await settle();
    expect(world.links).toHaveLength(0);
    expect(phase()).toBe('ended');
  });

  test('and joining again starts afresh', async () => {
    await connected();
    call.leave();
    call.start();
    await settle();
    expect(call.snapshot).toMatchObject({ phase: 'joining', reason: null, participant: 2 });
    expect(world.open).toBe(1);
  });

  test('a page that goes away frees the seat without a word', async () => {
    await connected();
    call.vanish();
    expect(world.link.closed).toBe(true);
    expect(phase()).toBe('connected');
    expect(world.clock.pending).toBe(0);
  });
});

describe('what we send', () => {
  test('another track goes to the link of now, and without one nowhere', async () => {
    call.replaceTrack('video', null);
    await connected();
    call.replaceTrack('video', null);
    expect(world.link.replaced).toEqual(['video']);
  });

  test('a new kind of track needs a new link, at once', async () => {
    await connected();
    call.renew();
    await world.clock.advance(0);
    expect(world.links).toHaveLength(2);
    expect(world.open).toBe(1);
  });

  test('counts what arrives, and nothing without a link', async () => {
    expect(await call.stats()).toEqual({ audioPackets: 0, framesDecoded: 0 });
    await connected();
    world.link.now = { received: 12, sent: null, reported: null };
    expect((await call.stats()).audioPackets).toBe(12);
  });
});
