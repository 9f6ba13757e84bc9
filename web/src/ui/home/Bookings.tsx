import { useEffect, useState } from 'preact/hooks';
import { type Booking, upcomingBookings } from '../../api/bookings';
import { t } from '../../i18n';
import { clockTime, dayAndTime } from '../../i18n/time';
import type { Session } from '../../session';
import { BookLater } from './BookLater';
import { CancelBooking } from './CancelBooking';

export function Bookings(props: {
  session: Session;
  version: number;
  onChanged(): void;
  onSignedOut(): void;
}) {
  const { session, version, onSignedOut } = props;
  const [bookings, setBookings] = useState<Booking[] | null>(null);
  const [failed, setFailed] = useState(false);
  const [cancelled, setCancelled] = useState<string | null>(null);

  // A new version means to look again.
  useEffect(() => {
    let stale = false;
    void upcomingBookings(session.token).then(({ status, body }) => {
      if (stale) return;
      setFailed(status !== 200);
      if (status === 200) setBookings(inOrder(body ?? []));
      if (status === 401) onSignedOut();
    });
    return () => {
      stale = true;
    };
  }, [session.token, version]);

  const booked = () => {
    setCancelled(null);
    props.onChanged();
  };
  const forget = (gone: Booking) => {
    setBookings((known) => known?.filter((other) => other !== gone) ?? null);
    setCancelled(dayAndTime(new Date(gone.start_time)));
    props.onChanged();
  };

  return (
    <section class="card">
      <h2>{t('bookingsTitle')}</h2>
      {failed && <p class="problem">{t('bookingsFailed')}</p>}
      {!failed && bookings?.length === 0 && <p class="muted">{t('bookingsNone')}</p>}
      {bookings && bookings.length > 0 && (
        <ul class="bookings">
          {bookings.map((booking) => (
            <BookingRow
              key={booking.booking_id}
              booking={booking}
              session={session}
              onCancelled={() => forget(booking)}
              onSignedOut={onSignedOut}
            />
          ))}
        </ul>
      )}
      {cancelled && (
        <p class="muted" role="status">
          {t('bookingCancelled', { when: cancelled })}
        </p>
      )}
      <BookLater session={session} onBooked={booked} onSignedOut={onSignedOut} />
    </section>
  );
}

function BookingRow(props: {
  booking: Booking;
  session: Session;
  onCancelled(): void;
  onSignedOut(): void;
}) {
  const { booking } = props;
  const when = dayAndTime(new Date(booking.start_time));
  return (
    <li>
      <span>
        {when} – {clockTime(new Date(booking.end_time))}
      </span>
      <CancelBooking
        session={props.session}
        id={booking.booking_id}
        when={when}
        onCancelled={props.onCancelled}
        onSignedOut={props.onSignedOut}
      >
        <a
          class="button"
          aria-label={t('callAt', { when })}
          href={`/call#booking=${booking.booking_id}`}
        >
          {t('enter')}
        </a>
      </CancelBooking>
    </li>
  );
}

function inOrder(bookings: Booking[]): Booking[] {
  return [...bookings].sort((a, b) => Date.parse(a.start_time) - Date.parse(b.start_time));
}
