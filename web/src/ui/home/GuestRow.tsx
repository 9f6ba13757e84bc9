import { useState } from 'preact/hooks';
import type { Booking } from '../../api/bookings';
import { type Invite, inviteQr, revokeInvite, SHARED } from '../../api/invites';
import { t } from '../../i18n';
import { onDay } from '../../i18n/time';
import type { Session } from '../../session';
import { Dialog } from '../Dialog';
import { InviteLink } from '../InviteLink';
import { Trouble } from '../Trouble';
import { useAction } from '../useAction';

interface Props {
  invite: Invite;
  booking: Booking;
  session: Session;
  onRevoked(): void;
  onSignedOut(): void;
}

export function GuestRow({ invite, booking, session, onRevoked, onSignedOut }: Props) {
  const [qr, setQr] = useState<string | null>(null);
  const [asking, setAsking] = useState(false);
  const action = useAction(onSignedOut);
  const shared = invite.invite_id === SHARED;
  const who = shared ? t('guestShared') : invite.name || invite.email || t('guestUnnamed');

  const showQr = async () => {
    if (qr) {
      setQr(null);
      return;
    }
    const done = await action.run<Blob>(() =>
      inviteQr(session.token, booking.booking_id, invite.invite_id),
    );
    // The page's policy lets a picture come from a data: URL, and from no other of ours.
    if (done?.kind === 'done' && done.body) setQr(dataUrl(await done.body.text()));
  };
  const revoke = async () => {
    const done = await action.run(() =>
      revokeInvite(session.token, booking.booking_id, invite.invite_id),
    );
    setAsking(false);
    if (done?.kind === 'done') onRevoked();
  };

  return (
    <li data-testid="guest">
      <p class="guest-who">
        <strong>{who}</strong>
        {invite.name && invite.email && <span class="muted"> {invite.email}</span>}
        {shared && <span class="muted"> {t('guestSharedHelp')}</span>}
      </p>
      <InviteLink url={invite.invite_url} />
      <div class="guest-actions">
        <button
          type="button"
          class="button quiet"
          data-testid="qr"
          aria-expanded={qr !== null}
          disabled={action.busy}
          onClick={() => void showQr()}
        >
          {t(qr ? 'qrHide' : 'qrShow')}
        </button>
        {invite.email && (
          <a class="button quiet" href={mailTo(invite, booking)}>
            {t('guestMail')}
          </a>
        )}
        <button
          type="button"
          class="button quiet"
          data-testid="revoke"
          disabled={action.busy}
          aria-label={t('revokeWho', { who })}
          onClick={() => setAsking(true)}
        >
          {t('revoke')}
        </button>
      </div>
      {qr && <img class="qr" data-testid="qr-image" src={qr} alt={t('qrAlt', { who })} />}
      <Trouble action={action} />
      {asking && (
        <Dialog title={t('revokeTitle')} testid="revoke-dialog" onClose={() => setAsking(false)}>
          <p>{t(shared ? 'revokeSureShared' : 'revokeSure', { who })}</p>
          <div class="dialog-actions">
            <button type="button" class="button" onClick={() => setAsking(false)}>
              {t('revokeNo')}
            </button>
            <button
              type="button"
              class="button danger"
              data-testid="revoke-confirm"
              disabled={action.busy}
              onClick={() => void revoke()}
            >
              {t('revoke')}
            </button>
          </div>
        </Dialog>
      )}
    </li>
  );
}

const dataUrl = (svg: string) => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;

/** We send no mail: the person's own program does, with the link in it. */
function mailTo({ email, invite_url }: Invite, booking: Booking): string {
  const when = onDay(new Date(booking.start_time));
  const subject = encodeURIComponent(t('mailSubject', { when }));
  const body = encodeURIComponent(`${t('mailBody', { when })}\n\n${invite_url}\n`);
  return `mailto:${encodeURIComponent(email ?? '').replace('%40', '@')}?subject=${subject}&body=${body}`;
}
