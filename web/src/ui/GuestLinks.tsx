import { useEffect, useRef, useState } from 'preact/hooks';
import { type Invite, invitesOf } from '../api/invites';
import { t } from '../i18n';
import { InviteLink } from './InviteLink';
import { linksOf } from './toSend';

interface Props {
  booking: number;
  token: string;
  /** The shared link, where the booking names it: without it the invites are asked for. */
  url: string | null | undefined;
  /** Another one means that the guests may be others. */
  version: unknown;
}

/** What lets the other person in: the shared link, else the guests' own. */
export function GuestLinks({ booking, token, url, version }: Props) {
  const invites = useInvites({ booking, token, url, version });
  const before = useRef(url);
  if (url) before.current = url;
  const links = linksOf(url, invites, before.current);
  if (links === null) return null;
  if (links.kind === 'shared') {
    return (
      <>
        <p class="muted" data-testid="invite-help">
          {t('inviteHelp')}
        </p>
        <InviteLink url={links.url} />
      </>
    );
  }
  if (links.guests.length === 0) {
    return (
      <p class="muted" data-testid="nobody-invited">
        {t('nobodyInvited')}
      </p>
    );
  }
  return (
    <>
      <p class="muted">{t('guestLinksHelp')}</p>
      {links.guests.map((guest) => (
        <div key={guest.invite_id} class="guest-link">
          <p>{guest.name || guest.email || t('guestUnnamed')}</p>
          <InviteLink url={guest.invite_url} />
        </div>
      ))}
    </>
  );
}

/** Null until they are known, and while there is no need of them. */
function useInvites({ booking, token, url, version }: Props): Invite[] | null {
  const [invites, setInvites] = useState<Invite[] | null>(null);
  const shared = !!url;
  useEffect(() => {
    if (shared) return;
    let stale = false;
    void invitesOf(token, booking).then(({ status, body }) => {
      if (!stale && status === 200) setInvites(body ?? []);
    });
    return () => {
      stale = true;
    };
  }, [booking, token, shared, version]);
  return invites;
}
