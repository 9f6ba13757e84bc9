import { expect, test } from 'vitest';
import { rememberId, seatFor } from '../src/call/seat';
import { parseFragment } from '../src/call/ticket';
import { newNonce } from '../src/ids';
import { userOf } from '../src/ui/home/userOf';

test('a nonce has 22 characters of the alphabet, and is new each time', () => {
  const nonces = Array.from({ length: 200 }, () => newNonce());
  for (const nonce of nonces) expect(nonce).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(new Set(nonces).size).toBe(200);
});

test('a tab keeps its seat in a call, and has another in another', () => {
  const mine = { kind: 'booking', id: 7 } as const;
  const seat = seatFor(mine);
  rememberId(mine, seat, 11);
  rememberId(mine, seat, 12);
  rememberId(mine, seat, 12);
  expect(seatFor(mine)).toEqual({ nonce: seat.nonce, ids: [11, 12] });
  expect(seatFor({ kind: 'booking', id: 8 }).nonce).not.toBe(seat.nonce);
});

test.each([
  ['#booking=2026062000123456', { kind: 'booking', id: 2026062000123456 }],
  ['#invite=a.b-c_d.e', { kind: 'invite', token: 'a.b-c_d.e' }],
  ['#booking=0', null],
  ['#booking=x', null],
  ['#booking=99999999999999999999', null],
  ['', null],
])('%s', (fragment, ticket) => {
  expect(parseFragment(fragment)).toEqual(ticket);
});

test.each([
  ['Alice', 'alice'],
  ['João da Silva', 'joao.da.silva'],
  [' ana@example.org ', 'ana@example.org'],
  ['李', 'e69d8e'],
])('%s is the user %s', (name, user) => {
  expect(userOf(name)).toBe(user);
});
