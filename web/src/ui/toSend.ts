import { type Invite, SHARED } from '../api/invites';

/** What there is to send to the other person. */
export type Links =
  | { kind: 'shared'; url: string }
  /** The shared link is revoked. Nobody can enter when there are none. */
  | { kind: 'own'; guests: Invite[] };

/**
 * Only a list of the invites without the shared one tells that it is revoked: a booking in a list
 * never names its link. `told`: the link as the booking names it now; `before`: as it last did.
 * Null: nothing is known yet.
 */
export function linksOf(
  told: string | null | undefined,
  invites: Invite[] | null,
  before: string | null | undefined,
): Links | null {
  if (told) return { kind: 'shared', url: told };
  if (!invites) return before ? { kind: 'shared', url: before } : null;
  const shared = invites.find((one) => one.invite_id === SHARED);
  return shared ? { kind: 'shared', url: shared.invite_url } : { kind: 'own', guests: invites };
}
