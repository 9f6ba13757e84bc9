import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fieldsOf, MOST, noticeOf, proposedStart, seriesOf, startOf } from '../src/ui/home/when';

const before = process.env.TZ;

beforeAll(() => {
  process.env.TZ = 'Europe/Lisbon';
});

afterAll(() => {
  if (before === undefined) delete process.env.TZ;
  else process.env.TZ = before;
});

const when = (date: string, time: string, minutes = 60) => ({ date, time, minutes });

describe('the time that is proposed', () => {
  test.each([
    ['2026-06-20T10:00', '12:00'],
    ['2026-06-20T10:29', '12:00'],
    ['2026-06-20T10:30', '12:00'],
    ['2026-06-20T10:31', '13:00'],
    ['2026-06-20T22:45', '01:00'],
  ])('at %s is %s', (now, time) => {
    expect(fieldsOf(proposedStart(new Date(now))).time).toBe(time);
  });

  test('can still be cancelled for half an hour, when that takes an hour of notice', () => {
    for (let minute = 0; minute < 60; minute += 1) {
      const now = new Date(2026, 5, 20, 10, minute, 30);
      const ahead = proposedStart(now).getTime() - now.getTime();
      expect(ahead).toBeGreaterThanOrEqual(90 * 60_000);
      expect(ahead).toBeLessThanOrEqual(150 * 60_000);
    }
  });
});

describe('what a person writes', () => {
  const now = new Date('2026-03-01T12:00:00Z');

  test('is a time of theirs', () => {
    expect(startOf(when('2026-07-01', '09:00'), now)).toEqual(new Date('2026-07-01T08:00:00Z'));
  });

  test.each([
    [when('2026-02-28', '09:00'), 'past'],
    [when('', '09:00'), 'malformed'],
    [when('2026-03-29', '01:30'), 'skipped'],
  ])('%o is %s', (written, verdict) => {
    expect(startOf(written, now)).toBe(verdict);
  });
});

describe('a series', () => {
  test('is in wall-clock times of the browser’s zone, by a rule of RFC 5545', () => {
    expect(seriesOf(when('2026-10-18', '09:00', 90), 'weekly', 10)).toEqual({
      start_time: '2026-10-18T09:00:00',
      end_time: '2026-10-18T10:30:00',
      time_zone: 'Europe/Lisbon',
      rrule: 'FREQ=WEEKLY;COUNT=10',
    });
    expect(seriesOf(when('2026-10-18', '09:00'), 'daily', 3).rrule).toBe('FREQ=DAILY;COUNT=3');
  });

  test.each([
    ['daily', 1],
    ['weekly', 7],
  ] as const)('that is %s ends within a year', (repeat, days) => {
    expect((MOST[repeat] - 1) * days).toBeLessThanOrEqual(366 - 7);
    expect(MOST[repeat]).toBeLessThanOrEqual(104);
  });

  test('may go past midnight', () => {
    expect(seriesOf(when('2026-12-31', '23:30'), 'daily', 2).end_time).toBe('2027-01-01T00:30:00');
  });
});

describe('the notice that a change needs', () => {
  const start_time = '2026-06-20T10:00:00Z';

  test('is what a booking tells', () => {
    const told = { start_time, cancel_until: '2026-06-20T08:00:00Z' };
    expect(noticeOf([{ start_time }, told])).toBe(2 * 3_600_000);
  });

  test('is an hour when none tells', () => {
    expect(noticeOf([])).toBe(3_600_000);
    expect(noticeOf([{ start_time, cancel_until: null }])).toBe(3_600_000);
  });
});
