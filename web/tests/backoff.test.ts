import { expect, test } from 'vitest';
import { backoff } from '../src/call/backoff';

test('waits from half a second to five, ever longer', () => {
  const earliest = [0, 1, 2, 3, 50].map((attempt) => backoff(attempt, () => 0));
  const latest = [0, 1, 2, 3, 50].map((attempt) => backoff(attempt, () => 1));
  expect(earliest).toEqual([500, 1000, 2000, 2500, 2500]);
  expect(latest).toEqual([1000, 2000, 4000, 5000, 5000]);
});
