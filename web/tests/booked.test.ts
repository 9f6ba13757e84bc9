import { expect, test } from 'vitest';
import type { Answer, Problem } from '../src/api/http';
import { type Booked, lookedAt } from '../src/call/booked';

const answer = (status: number, body: Booked | null = null): Answer<Booked> => ({
  status,
  body,
  retryAfterMs: null,
  serverTime: Date.parse('2026-06-20T09:00:00Z'),
});
const booked: Booked = {
  phase: 'scheduled',
  start_time: '2026-06-20T10:00:00Z',
  end_time: '2026-06-20T11:00:00Z',
  opens_at: '2026-06-20T09:50:00Z',
};

test('when the room opens is told by the server’s clock', () => {
  expect(lookedAt(answer(200, booked), 'booking')).toMatchObject({ opensInMs: 50 * 60_000 });
  const { opens_at: _, ...untold } = booked;
  expect(lookedAt(answer(200, untold), 'invite')).toEqual({ kind: 'booked', booked: untold });
});

test.each([
  [401, 'signed_out'],
  [403, 'forbidden'],
  [404, 'not_found'],
])('a booking that answers %i can’t be entered: %s', (status, why) => {
  expect(lookedAt(answer(status), 'booking')).toMatchObject({ kind: 'unknown', why });
});

test('an invite that is forged, cut or revoked can’t be used', () => {
  expect(lookedAt(answer(401), 'invite')).toMatchObject({ why: 'invite_invalid' });
  const revoked = { ...answer(410), body: { code: 'invite_revoked' } as Booked & Problem };
  expect(lookedAt(revoked, 'invite')).toMatchObject({ why: 'invite_revoked' });
});

test('no answer says nothing, nor does another refusal of an invite', () => {
  expect(lookedAt(answer(0), 'booking')).toEqual({ kind: 'unknown', retryAfterMs: null });
  expect(lookedAt(answer(404), 'invite')).toEqual({ kind: 'unknown', retryAfterMs: null });
});
