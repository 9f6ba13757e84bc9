import { expect, test } from 'vitest';
import { chooseLanguage } from '../src/i18n';
import { catalogue, type Key } from '../src/i18n/catalogue';
import { countdown } from '../src/i18n/time';

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
  [3_845_000, '1:04:05'],
  [90_061_000, '1 d 1:01:01'],
])('%i ms is %s', (ms, text) => {
  expect(countdown(ms)).toBe(text);
});
