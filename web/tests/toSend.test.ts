import { describe, expect, test } from 'vitest';
import type { Invite } from '../src/api/invites';
import { linksOf } from '../src/ui/toSend';

const URL = 'https://suroga.example/call#invite=shared';
const SHARED: Invite = { invite_id: 'guest', invite_url: URL };
const ANA: Invite = { invite_id: 'a1', name: 'Ana', invite_url: 'https://suroga.example/call#a1' };

describe('what there is to send to the other person', () => {
  test.each([
    ['the booking names its link', URL, null, null],
    ['it does, and the invites were read when it did not', URL, [ANA], null],
    ['a list of bookings names none, and the invites have it', undefined, [SHARED, ANA], undefined],
    ['the same, in another order', null, [ANA, SHARED], URL],
    ['the invites are not read yet, or can’t be, and it was named before', undefined, null, URL],
  ])('the shared link: %s', (_, told, invites, before) => {
    expect(linksOf(told, invites, before)).toEqual({ kind: 'shared', url: URL });
  });

  test('each guest’s own, once the invites are without the shared one', () => {
    expect(linksOf(undefined, [ANA], URL)).toEqual({ kind: 'own', guests: [ANA] });
  });

  test('nothing, when the last invite is gone', () => {
    expect(linksOf(null, [], URL)).toEqual({ kind: 'own', guests: [] });
  });

  test('not known, as long as nobody has told', () => {
    expect(linksOf(undefined, null, undefined)).toBeNull();
  });
});
