import { describe, expect, test } from 'vitest';
import type { Answer, Problem } from '../src/api/http';
import type { Grant } from '../src/call/grant';
import { named, outcomeOf } from '../src/call/joinApi';
import { booked, granted } from './fakes';

const NOON = Date.parse('2026-06-20T12:00:00Z');

function answer(
  status: number,
  body: (Partial<Grant> & Problem) | null = null,
  retryAfterMs: number | null = null,
): Answer<Grant & Problem> {
  return { status, body: body as Grant & Problem, retryAfterMs, serverTime: NOON };
}

describe('the API’s answer', () => {
  test('a grant, with its life told by the server’s clock', () => {
    const grant = granted();
    if (grant.kind !== 'granted') throw new Error('unreachable');
    const body = { ...grant.grant, expires_at: '2026-06-20T12:10:00Z' };
    expect(outcomeOf(answer(200, body), 'booking')).toEqual({
      kind: 'granted',
      grant: body,
      endsInMs: -3_600_000,
      expiresInMs: 600_000,
    });
  });

  test('too early, with the wait told by the server’s clock', () => {
    const early = answer(403, { code: 'too_early', opens_at: '2026-06-20T12:05:00Z' });
    expect(outcomeOf(early, 'invite')).toEqual({ kind: 'too_early', opensInMs: 300_000 });
  });

  test('forbidden is not too early', () => {
    expect(outcomeOf(answer(403, { code: 'forbidden' }), 'booking')).toEqual({
      kind: 'denied',
      why: 'forbidden',
    });
  });

  test('starting, with the pace that the API asks for or our own', () => {
    const starting = { code: 'room_starting', state: 'retrying' };
    expect(outcomeOf(answer(425, starting, 9000), 'invite')).toEqual({
      kind: 'starting',
      roomState: 'retrying',
      retryAfterMs: 9000,
    });
    expect(outcomeOf(answer(425, { state: 'new word' }), 'invite')).toMatchObject({
      roomState: 'starting',
      retryAfterMs: 3000,
    });
  });

  test('401 means another thing to a guest than to whoever booked', () => {
    expect(outcomeOf(answer(401), 'invite')).toEqual({ kind: 'denied', why: 'invite_invalid' });
    expect(outcomeOf(answer(401), 'booking')).toEqual({ kind: 'denied', why: 'signed_out' });
  });

  test.each([
    [409, 'room_full', { kind: 'full' }],
    [410, 'invite_revoked', { kind: 'denied', why: 'invite_revoked' }],
    [410, 'booking_over', { kind: 'over', why: 'booking_over' }],
    [410, 'booking_cancelled', { kind: 'over', why: 'booking_cancelled' }],
    [404, 'not_found', { kind: 'denied', why: 'not_found' }],
    [400, 'invalid', { kind: 'broken' }],
  ] as const)('%i %s', (status, code, outcome) => {
    expect(outcomeOf(answer(status, { code }), 'invite')).toEqual(outcome);
  });

  test('429 is a wait, for as long as it says or for ten seconds', () => {
    expect(outcomeOf(answer(429, null, 2000), 'invite')).toEqual({
      kind: 'throttled',
      retryAfterMs: 2000,
    });
    expect(outcomeOf(answer(429), 'invite')).toMatchObject({ retryAfterMs: 10_000 });
  });

  test.each([0, 408, 500, 502, 503])('%i passes', (status) => {
    expect(outcomeOf(answer(status, null, 2000), 'invite')).toEqual({
      kind: 'unavailable',
      retryAfterMs: 2000,
    });
  });

  test('a 200 that is no JSON came from something in between', () => {
    expect(outcomeOf(answer(200), 'invite').kind).toBe('unavailable');
  });
});

describe('a booking that is over', () => {
  const over = { kind: 'over', why: 'booking_over' } as const;

  test('was ended, when the API says so', async () => {
    expect(await named(over, async () => booked('ended'))).toEqual({
      kind: 'over',
      why: 'ended_by_host',
    });
  });

  test('has run its time, when it says so or says nothing', async () => {
    expect(await named(over, async () => booked('over'))).toEqual(over);
    expect(await named(over, async () => ({ kind: 'unknown', retryAfterMs: null }))).toEqual(over);
  });

  test.each([
    granted(),
    { kind: 'over', why: 'booking_cancelled' } as const,
    { kind: 'full' } as const,
  ])('%o is asked nothing more about', async (outcome) => {
    const ask = () => Promise.reject(new Error('asked'));
    expect(await named(outcome, ask)).toEqual(outcome);
  });
});
