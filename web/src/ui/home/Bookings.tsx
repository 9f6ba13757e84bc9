import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import type { Session } from '../../session';
import { focusUnlessElsewhere } from '../focus';
import { Throttled } from '../Trouble';
import { BookingRow } from './BookingRow';
import { BookLater } from './BookLater';
import type { Reading } from './useUpcoming';

/** A long series would push everything else off the page. */
const SHOWN = 8;

export function Bookings(props: {
  session: Session;
  reading: Reading;
  onChanged(): void;
  onSignedOut(): void;
}) {
  const { session, onSignedOut } = props;
  const { upcoming, failed, throttledUntil } = props.reading;
  const [outdated, setOutdated] = useState(0);
  const heading = useRef<HTMLHeadingElement>(null);
  const opener = useRef<EventTarget | null>(null);
  const moved = useRef(false);
  const [news, setNews] = useState<string | null>(null);
  const [all, setAll] = useState(false);

  const booked = () => {
    setNews(null);
    props.onChanged();
  };
  const changed = (text: string | null) => {
    if (text !== null) {
      setNews(text);
      setOutdated(outdated + 1);
      moved.current = true;
    }
    props.onChanged();
  };
  // The row of a changed call is elsewhere in the new list, or gone.
  useEffect(() => {
    if (!moved.current) return;
    moved.current = false;
    focusUnlessElsewhere(opener.current as Element | null, heading.current);
  }, [upcoming]);
  const bookings = upcoming?.bookings ?? [];
  const shown = all ? bookings : bookings.slice(0, SHOWN);

  return (
    <section
      class="card"
      onFocusIn={({ target }) => {
        if (target instanceof Element && !target.closest('dialog')) opener.current = target;
      }}
    >
      <h2 ref={heading} tabIndex={-1}>
        {t('bookingsTitle')}
      </h2>
      {failed && (
        <p class="problem" role="alert">
          {t('bookingsFailed')}
        </p>
      )}
      {throttledUntil !== null && <Throttled until={throttledUntil} />}
      {!failed && upcoming && bookings.length === 0 && <p class="muted">{t('bookingsNone')}</p>}
      {news && (
        <p class="news" role="status" data-testid="news">
          {news}
        </p>
      )}
      {shown.length > 0 && (
        <ul class="bookings">
          {shown.map((booking) => (
            <BookingRow
              key={booking.booking_id}
              booking={booking}
              aheadMs={upcoming?.aheadMs ?? 0}
              session={session}
              onChanged={changed}
              onSignedOut={onSignedOut}
            />
          ))}
        </ul>
      )}
      {bookings.length > shown.length && (
        <button type="button" class="button wide" onClick={() => setAll(true)}>
          {t('bookingsAll', { n: bookings.length })}
        </button>
      )}
      <BookLater
        session={session}
        upcoming={upcoming}
        outdated={outdated}
        onBooked={booked}
        onSignedOut={onSignedOut}
      />
    </section>
  );
}
