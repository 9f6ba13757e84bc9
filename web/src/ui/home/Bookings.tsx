import { useEffect, useState } from 'preact/hooks';
import { type Booking, upcomingBookings } from '../../api/bookings';
import { t } from '../../i18n';
import { clockTime, dayAndTime } from '../../i18n/time';
import type { Session } from '../../session';
import { BookLater } from './BookLater';

export function Bookings(props: {
  session: Session;
  version: number;
  onBooked(): void;
  onSignedOut(): void;
}) {
  const { session, version, onSignedOut } = props;
  const [bookings, setBookings] = useState<Booking[] | null>(null);
  const [failed, setFailed] = useState(false);

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

  return (
    <section class="card">
      <h2>{t('bookingsTitle')}</h2>
      {failed && <p class="problem">{t('bookingsFailed')}</p>}
      {!failed && bookings?.length === 0 && <p class="muted">{t('bookingsNone')}</p>}
      {bookings && bookings.length > 0 && (
        <ul class="bookings">
          {bookings.map((booking) => (
            <BookingRow key={booking.booking_id} booking={booking} />
          ))}
        </ul>
      )}
      <BookLater session={session} onBooked={props.onBooked} onSignedOut={onSignedOut} />
    </section>
  );
}

function BookingRow({ booking }: { booking: Booking }) {
  const start = new Date(booking.start_time);
  const when = dayAndTime(start);
  return (
    <li>
      <span>
        {when} – {clockTime(new Date(booking.end_time))}
      </span>
      <a
        class="button"
        aria-label={t('callAt', { when })}
        href={`/call#booking=${booking.booking_id}`}
      >
        {t('enter')}
      </a>
    </li>
  );
}

function inOrder(bookings: Booking[]): Booking[] {
  return [...bookings].sort((a, b) => Date.parse(a.start_time) - Date.parse(b.start_time));
}
