import { useState } from 'preact/hooks';
import type { Booking } from '../../api/bookings';
import { t } from '../../i18n';
import type { Session } from '../../session';
import { InviteLink } from '../InviteLink';
import { useBook } from './useBook';

const MINUTES = 60;

export function StartCall(props: { session: Session; onBooked(): void; onSignedOut(): void }) {
  const [booking, setBooking] = useState<Booking | null>(null);
  const { busy, error, book } = useBook(props.session, props.onSignedOut);

  const start = async () => {
    const made = await book(new Date(), MINUTES);
    if (!made) return;
    setBooking(made);
    props.onBooked();
  };

  if (booking) {
    return (
      <section class="card hero">
        <h1>{t('inviteTitle')}</h1>
        <p class="muted">{t('inviteHelp')}</p>
        {booking.invite_url && <InviteLink url={booking.invite_url} />}
        <a
          class="button primary wide big"
          data-testid="enter-call"
          href={`/call#booking=${booking.booking_id}`}
        >
          {t('enterCall')}
        </a>
      </section>
    );
  }
  return (
    <section class="card hero">
      <h1>{t('tagline')}</h1>
      <button
        type="button"
        class="button primary wide big"
        data-testid="start-call"
        disabled={busy}
        onClick={() => void start()}
      >
        {busy ? t('startingCall') : t('startCall')}
      </button>
      <p class="muted">{t('startCallHelp')}</p>
      {error && (
        <p class="problem" role="alert">
          {error}
        </p>
      )}
    </section>
  );
}
