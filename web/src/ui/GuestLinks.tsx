import { useEffect, useState } from 'preact/hooks';
import { type Invite, invitesOf } from '../api/invites';
import { t } from '../i18n';
import { InviteLink } from './InviteLink';

interface Props {
  booking: number;
  token: string;
  /** The shared link; absent once it is revoked. */
  url: string | null | undefined;
  /** Another one means that the guests may be others. */
  version: unknown;
}

/** What lets the other person in: the shared link, else the guests' own. */
export function GuestLinks({ booking, token, url, version }: Props) {
  const guests = useGuests({ booking, token, url, version });
  if (url) {
    return (
      <>
        <p class="muted">{t('inviteHelp')}</p>
        <InviteLink url={url} />
      </>
    );
  }
  if (guests === null) return null;
  if (guests.length === 0) {
    return (
      <p class="muted" data-testid="nobody-invited">
        {t('nobodyInvited')}
      </p>
    );
  }
  return (
    <>
      <p class="muted">{t('guestLinksHelp')}</p>
      {guests.map((guest) => (
        <div key={guest.invite_id} class="guest-link">
          <p>{guest.name || guest.email || t('guestUnnamed')}</p>
          <InviteLink url={guest.invite_url} />
        </div>
      ))}
    </>
  );
}

/** Null until they are known, and while there is no need of them. */
function useGuests({ booking, token, url, version }: Props): Invite[] | null {
  const [guests, setGuests] = useState<Invite[] | null>(null);
  const shared = !!url;
  useEffect(() => {
    if (shared) return;
    let stale = false;
    void invitesOf(token, booking).then(({ status, body }) => {
      if (!stale && status === 200) setGuests(body ?? []);
    });
    return () => {
      stale = true;
    };
  }, [booking, token, shared, version]);
  return guests;
}
