import { useEffect, useRef, useState } from 'preact/hooks';
import type { Booking } from '../../api/bookings';
import { Intent } from '../../api/intent';
import { type Invite, invite, invitesOf, SHARED } from '../../api/invites';
import { t } from '../../i18n';
import type { Session } from '../../session';
import { Trouble } from '../Trouble';
import { useAction } from '../useAction';
import { GuestRow } from './GuestRow';

interface Props {
  booking: Booking;
  session: Session;
  /** The booking has another link, or one less. */
  onChanged(): void;
  onSignedOut(): void;
}

/** Who may enter: whoever holds the shared link, and the guests who have one of their own. */
export function Guests({ booking, session, onChanged, onSignedOut }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [revoked, setRevoked] = useState(0);
  const [invites, setInvites] = useState<Invite[] | null>(null);
  const reading = useAction(onSignedOut);
  const { token } = session;
  const id = booking.booking_id;

  useEffect(() => {
    void reading
      .run<Invite[]>(() => invitesOf(token, id))
      .then((done) => {
        if (done?.kind === 'done') setInvites(done.body ?? []);
      });
  }, [token, id]);

  // The button that asked for it is gone with its row.
  useEffect(() => {
    if (revoked > 0) heading.current?.focus();
  }, [revoked]);

  const added = (one: Invite) => {
    setInvites([...(invites ?? []), one]);
    onChanged();
  };
  const removed = (gone: Invite) => {
    setInvites((known) => known?.filter((one) => one !== gone) ?? null);
    setRevoked(revoked + 1);
    onChanged();
  };

  return (
    <section class="guests" aria-label={t('guests')}>
      <h3 ref={heading} tabIndex={-1}>
        {t('guests')}
      </h3>
      <p class="muted small">{t('guestsTwo')}</p>
      {invites === null && reading.busy && <p class="muted">{t('loading')}</p>}
      <Trouble action={reading} />
      {invites && (
        <>
          {invites.length === 0 && (
            <p role="status" data-testid="nobody-invited">
              {t('nobodyInvited')}
            </p>
          )}
          <ul class="guest-list">
            {inOrder(invites).map((one) => (
              <GuestRow
                key={one.invite_id}
                invite={one}
                booking={booking}
                session={session}
                onRevoked={() => removed(one)}
                onSignedOut={onSignedOut}
              />
            ))}
          </ul>
          <AddGuest booking={booking} session={session} onAdded={added} onSignedOut={onSignedOut} />
        </>
      )}
    </section>
  );
}

function inOrder(invites: Invite[]): Invite[] {
  return [...invites].sort(
    (a, b) => Number(b.invite_id === SHARED) - Number(a.invite_id === SHARED),
  );
}

function AddGuest({
  booking,
  session,
  onAdded,
  onSignedOut,
}: Omit<Props, 'onChanged'> & { onAdded(one: Invite): void }) {
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [intent] = useState(() => new Intent());
  const action = useAction(onSignedOut);

  const submit = async (event: Event) => {
    event.preventDefault();
    const guest = {
      ...(name.trim() ? { name: name.trim() } : {}),
      ...(email.trim() ? { email: email.trim() } : {}),
    };
    if (!guest.name && !guest.email) {
      action.say(t('guestWho'));
      return;
    }
    const done = await action.run<Invite>(() =>
      intent.send(guest, (key) => invite(session.token, booking.booking_id, guest, key)),
    );
    if (done?.kind !== 'done' || !done.body) return;
    setName('');
    setEmail('');
    onAdded(done.body);
  };

  return (
    <form class="guest-add" onSubmit={(event) => void submit(event)}>
      <label class="field">
        <span>{t('guestName')}</span>
        <input
          class="input"
          data-testid="guest-name"
          autocomplete="off"
          maxLength={80}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <label class="field">
        <span>{t('guestEmail')}</span>
        <input
          class="input"
          type="email"
          data-testid="guest-email"
          autocomplete="off"
          maxLength={254}
          value={email}
          onInput={(event) => setEmail(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button" data-testid="guest-add" disabled={action.busy}>
        {t('guestAdd')}
      </button>
      <Trouble action={action} />
    </form>
  );
}
