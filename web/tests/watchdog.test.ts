import { expect, test } from 'vitest';
import type { Sample } from '../src/call/ports';
import { Watchdog } from '../src/call/watchdog';

/** Looks each second; returns after how many seconds it barked, or null. */
function watch(dog: Watchdog, seconds: number, sample: (second: number) => Sample): number | null {
  for (let second = 0; second <= seconds; second += 1) {
    if (dog.sees(sample(second), second * 1000)) return second;
  }
  return null;
}

const silence: Sample = { received: 100, sent: null, reported: null };

test('barks after five seconds without a packet', () => {
  expect(watch(new Watchdog(), 60, () => silence)).toBe(5);
});

test('is content while anything arrives, however little', () => {
  const trickle = (second: number) => ({ ...silence, received: Math.floor(second / 4) });
  expect(watch(new Watchdog(), 120, trickle)).toBeNull();
});

test('is content when there is nobody to hear', () => {
  expect(watch(new Watchdog(), 120, () => ({ ...silence, received: null }))).toBeNull();
});

test('is ever more patient with a peer who stays silent, until something arrives', () => {
  const dog = new Watchdog();
  const barks = [1, 2, 3, 4, 5].map(() => {
    dog.restart();
    return watch(dog, 100, () => silence);
  });
  expect(barks).toEqual([5, 10, 20, 40, 40]);
  dog.restart();
  watch(dog, 1, (second) => ({ ...silence, received: second }));
  dog.restart();
  expect(watch(dog, 100, () => silence)).toBe(5);
});

test('does not take its own sleep for silence', () => {
  const dog = new Watchdog();
  dog.sees(silence, 0);
  expect(dog.sees(silence, 600_000)).toBe(false);
  expect(dog.sees(silence, 601_000)).toBe(false);
  expect(dog.sees(silence, 603_000)).toBe(true);
});

test('barks when what we send is no longer reported as received', () => {
  const sample = (second: number) => ({
    received: second,
    sent: second * 50,
    reported: Math.min(second, 3),
  });
  expect(watch(new Watchdog(), 60, sample)).toBe(15);
});

test('expects no reports before the first, nor about nothing sent', () => {
  const never = (second: number) => ({ received: second, sent: second, reported: null });
  expect(watch(new Watchdog(), 60, never)).toBeNull();
  const idle = (second: number) => ({ received: second, sent: 7, reported: 1 });
  expect(watch(new Watchdog(), 60, idle)).toBeNull();
});
