import { describe, expect, test } from 'vitest';
import { Heartbeat } from '../src/call/janus/heartbeat';
import { PcHealth } from '../src/call/janus/pcHealth';
import { feedKey, Roster } from '../src/call/janus/videoroom';
import { FakeClock } from './fakes';

describe('the roster', () => {
  test('never has ourselves, nor who we were before', () => {
    const roster = new Roster([1, 2]);
    roster.add([{ id: 1 }, { id: 2 }]);
    expect(roster.other).toBeNull();
  });

  test('the other is the newest, and a ghost of theirs when that one leaves', () => {
    const roster = new Roster([1]);
    roster.add([{ id: 5 }, { id: 6 }]);
    expect(roster.other?.id).toBe(6);
    roster.add([{ id: 5 }]);
    expect(roster.other?.id).toBe(5);
    roster.remove(5);
    expect(roster.other?.id).toBe(6);
    roster.remove(6);
    expect(roster.other).toBeNull();
  });

  test('a feed with other streams is another feed', () => {
    const audio = { type: 'audio', mid: '0' };
    const video = { type: 'video', mid: '1' };
    expect(feedKey({ id: 5, streams: [audio] })).toBe(feedKey({ id: 5, streams: [audio] }));
    expect(feedKey({ id: 5, streams: [audio] })).not.toBe(
      feedKey({ id: 5, streams: [audio, video] }),
    );
  });
});

describe('the health of a peer connection', () => {
  const make = () => {
    const clock = new FakeClock();
    const deaths: string[] = [];
    return { clock, deaths, health: new PcHealth(clock, (why) => deaths.push(why)) };
  };

  test('it must come up in time', async () => {
    const { clock, deaths } = make();
    await clock.advance(15_000);
    expect(deaths).toEqual(['timeout']);
  });

  test('disconnected for five seconds is dead; shorter is not', async () => {
    const { clock, deaths, health } = make();
    health.state('connected');
    health.state('disconnected');
    await clock.advance(4999);
    health.state('connected');
    await clock.advance(60_000);
    expect(deaths).toEqual([]);
    health.state('disconnected');
    await clock.advance(5000);
    expect(deaths).toEqual(['ice']);
  });

  test('failed is dead at once, and once stopped nothing is', async () => {
    const { clock, deaths, health } = make();
    health.state('failed');
    expect(deaths).toEqual(['ice']);
    const other = make();
    other.health.stop();
    await other.clock.advance(60_000);
    expect(other.deaths).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('the heartbeat', () => {
  const make = (answers: boolean) => {
    const clock = new FakeClock();
    const seen = { asked: 0, dead: 0 };
    const heartbeat = new Heartbeat(
      clock,
      (answered) => {
        seen.asked += 1;
        if (answers) answered();
      },
      () => {
        seen.dead += 1;
      },
    );
    heartbeat.start();
    return { clock, seen, heartbeat };
  };

  test('goes on while it is answered', async () => {
    const { clock, seen } = make(true);
    await clock.advance(20_000);
    expect(seen).toEqual({ asked: 4, dead: 0 });
  });

  test('without an answer in ten seconds the other end is dead', async () => {
    const { clock, seen } = make(false);
    await clock.advance(14_999);
    expect(seen.dead).toBe(0);
    await clock.advance(1);
    expect(seen).toEqual({ asked: 1, dead: 1 });
  });

  test('stops for good', async () => {
    const { clock, seen, heartbeat } = make(false);
    await clock.advance(6000);
    heartbeat.stop();
    await clock.advance(60_000);
    expect(seen.dead).toBe(0);
  });
});
