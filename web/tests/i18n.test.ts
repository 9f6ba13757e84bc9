import { beforeEach, expect, test, vi } from 'vitest';
import { chooseLanguage } from '../src/i18n';
import { catalogue, type Key } from '../src/i18n/catalogue';
import { at, countdown, duration, span, until } from '../src/i18n/time';

beforeEach(() => {
  vi.stubGlobal('navigator', { languages: ['en-GB', 'en'] });
});

const keys = Object.keys(catalogue.pt) as Key[];

test('both languages have every text', () => {
  expect(Object.keys(catalogue.en).sort()).toEqual([...keys].sort());
  for (const key of keys) {
    expect(catalogue.pt[key].trim(), key).not.toBe('');
    expect(catalogue.en[key].trim(), key).not.toBe('');
  }
});

test('both languages fill in the same values', () => {
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of keys) {
    expect(values(catalogue.en[key]), key).toEqual(values(catalogue.pt[key]));
  }
});

test.each([
  [['pt-BR', 'en'], 'pt'],
  [['pt'], 'pt'],
  [['fr', 'pt-PT'], 'pt'],
  [['en-GB', 'pt'], 'en'],
  [['de'], 'en'],
  [[], 'en'],
])('%o reads %s', (preferred, language) => {
  expect(chooseLanguage(preferred)).toBe(language);
});

test.each([
  [0, '0:00'],
  [-5, '0:00'],
  [1, '0:01'],
  [65_000, '1:05'],
  [3_599_001, '1 hour'],
  [3_845_000, '1 hour and 5 minutes'],
  [90_061_000, '1 day and 1 hour'],
])('%i ms is %s', (ms, text) => {
  expect(countdown(ms)).toBe(text);
});

test.each([
  [0, '0 minutes'],
  [1, '1 minute'],
  [45, '45 minutes'],
  [60, '1 hour'],
  [90, '1 hour and 30 minutes'],
  [2880, '2 days'],
  [2885, '2 days'],
])('%i minutes are %s', (minutes, text) => {
  expect(duration(minutes)).toBe(text);
});

test('a moment is told with its day when that is not today', () => {
  const now = new Date(2026, 5, 20, 9, 0);
  expect(at(new Date(2026, 5, 20, 14, 5), now)).toBe('at 14:05');
  expect(until(new Date(2026, 5, 21, 0, 5), now)).toMatch(/^until .*21.* at 00:05$/);
  expect(span(new Date(2026, 5, 20, 23, 0), new Date(2026, 5, 21, 0, 30))).toMatch(
    /20.*23:00 – .*21.*00:30$/,
  );
});

test('Portuguese days have their gender, and are written in full', async () => {
  vi.stubGlobal('navigator', { languages: ['pt-PT'] });
  vi.resetModules();
  const { at: atPt, dayAndTime, onDay } = await import('../src/i18n/time');
  const now = new Date();
  const year = now.getFullYear() + 1;
  const friday = new Date(year, 10, 1, 17, 31);
  while (friday.getDay() !== 5) friday.setDate(friday.getDate() + 1);
  const sunday = new Date(friday.getTime() + 2 * 86_400_000);
  const date = (day: Date) => `${String(day.getDate()).padStart(2, '0')}/11/${year}`;
  expect(atPt(friday)).toBe(`na sexta-feira, ${date(friday)}, às 17:31`);
  expect(onDay(sunday)).toBe(`no domingo, ${date(sunday)}, às 17:31`);
  expect(dayAndTime(sunday)).toBe(`domingo, ${date(sunday)}, às 17:31`);
});
