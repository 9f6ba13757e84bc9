import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Answer, Problem } from '../src/api/http';
import { freeUntil, messageOf, whyNotLonger } from '../src/ui/messages';

beforeEach(() => {
  vi.stubGlobal('navigator', { languages: ['en-GB', 'en'] });
});

const answer = (status: number, body: Problem | null = null): Answer<Problem> => ({
  status,
  body,
  retryAfterMs: null,
  serverTime: 0,
});
const ISO = /\d{4}-\d\d-\d\d|T\d\d:|Z\b/;
const NOON = '2026-06-20T12:00:00Z';

describe('a refusal', () => {
  test('says what the API says', () => {
    expect(messageOf(answer(403, { detail: 'It has started.' }))).toBe('It has started.');
  });

  test.each(['room_taken', 'capacity_exhausted'])('%s names no room', (code) => {
    const text = messageOf(answer(409, { code, detail: 'Room 4711 is already booked.' }));
    expect(text).toBe('No room is free at that time. Choose another.');
  });

  test('says what is wrong with each field', () => {
    const errors = [
      { field: 'start_time', message: 'must not be in the past' },
      { field: 'rrule', message: 'at most 104 times.' },
      { field: 'other', message: 'is not known' },
    ];
    expect(messageOf(answer(400, { detail: 'Invalid: start_time, rrule.', errors }))).toBe(
      'Start: must not be in the past. Repeat: at most 104 times. Is not known.',
    );
  });

  test('has no moment in the writing of programs', () => {
    const errors = [{ field: 'end_time', message: `must be before ${NOON}` }];
    for (const body of [{ detail: `It begins at ${NOON}.` }, { detail: 'Invalid.', errors }]) {
      const text = messageOf(answer(400, body));
      expect(text).toMatch(/Sat,? 20 Jun.* \d\d:00\.$/);
      expect(text).not.toMatch(ISO);
    }
  });

  test('names a time that does not exist as it was asked for', () => {
    const message = '2027-03-28 01:30 does not exist in Europe/Lisbon: the clocks skip it';
    const text = messageOf(answer(400, { errors: [{ field: 'start_time', message }] }));
    expect(text).toMatch(/^Start: Sun,? 28 Mar 2027.* 01:30 does not exist in Europe\/Lisbon/);
  });

  test('tells when the room opens in the time of whoever reads', () => {
    const text = messageOf(answer(403, { detail: `It opens at ${NOON}.`, opens_at: NOON }));
    expect(text).toMatch(/^The room opens on .*20.* at \d\d:\d\d/);
    expect(text).not.toMatch(ISO);
  });

  test('no answer, too many questions, and what is none of ours, are told in our own words', () => {
    const texts = [0, 401, 409, 429, 502].map((status) => messageOf(answer(status)));
    expect(new Set(texts).size).toBe(texts.length);
    for (const text of texts) expect(text).toMatch(/\.$/);
  });
});

describe('a call that cannot be extended so far', () => {
  const taken = (until?: string) =>
    answer(409, { detail: 'Taken.', ...(until ? { free_until: until } : {}) });

  test('can be until what follows', () => {
    const text = whyNotLonger(taken('2026-06-20T12:10:00Z'), new Date(NOON));
    expect(text).toMatch(/You can extend it until .*20.* at \d\d:10/);
    expect(text).not.toMatch(ISO);
    expect(freeUntil(taken('2026-06-20T12:10:00Z'))).toEqual(new Date('2026-06-20T12:10:00Z'));
  });

  test('not at all, when that follows at once', () => {
    expect(whyNotLonger(taken(NOON), new Date(NOON))).toMatch(/cannot be extended/);
  });

  test('for a reason that the API knows', () => {
    expect(whyNotLonger(taken(), new Date(NOON))).toBe('Taken.');
    expect(freeUntil(taken())).toBeNull();
  });
});
