import { useId, useState } from 'preact/hooks';
import type { Booking, BookingPhase } from '../../api/bookings';
import { type Key, t } from '../../i18n';
import { clockTime, day, dayAndTime, hours, isSameDay } from '../../i18n/time';
import type { Session } from '../../session';
import { Manage } from './Manage';

const PHASES: Record<BookingPhase, Key> = {
  scheduled: 'phaseScheduled',
  open: 'phaseOpen',
  running: 'phaseRunning',
  over: 'phaseOver',
  ended: 'phaseEnded',
  cancelled: 'phaseCancelled',
};

interface Props {
  booking: Booking;
  aheadMs: number;
  session: Session;
  /** With what to tell the person of it. */
  onChanged(news: string | null): void;
  onSignedOut(): void;
}

export function BookingRow(props: Props) {
  const { booking } = props;
  const [managing, setManaging] = useState(false);
  const panel = useId();
  const start = new Date(booking.start_time);
  const when = dayAndTime(start);
  const phase = phaseText(booking);
  return (
    <li data-testid="booking" data-phase={booking.phase}>
      <div class="booking-when">
        <span>
          {day(start)}, <span class="nowrap">{hours(start, new Date(booking.end_time))}</span>
        </span>
        <span class="booking-phase">
          {phase && <span class="badge">{phase}</span>}
          {booking.series_id && <span class="badge plain">{t('inSeries')}</span>}
        </span>
      </div>
      <div class="booking-actions">
        <button
          type="button"
          class="button quiet"
          data-testid="manage"
          aria-expanded={managing}
          aria-controls={panel}
          aria-label={t('manageCallAt', { when })}
          onClick={() => setManaging(!managing)}
        >
          {t(managing ? 'manageClose' : 'manage')}
        </button>
        <a
          class={booking.phase === 'scheduled' ? 'button' : 'button primary'}
          aria-label={t('callAt', { when })}
          href={`/call#booking=${booking.booking_id}`}
        >
          {t('enter')}
        </a>
      </div>
      <div id={panel} class="booking-panel" hidden={!managing}>
        {managing && <Manage {...props} />}
      </div>
    </li>
  );
}

/** A phase that the API may learn one day has no word yet. */
function phaseText({ phase, opens_at }: Booking): string | null {
  const opens = new Date(opens_at);
  const soon = phase === 'scheduled' && isSameDay(opens, new Date());
  if (soon) return t('phaseOpensAt', { time: clockTime(opens) });
  const key: Key | undefined = PHASES[phase];
  return key ? t(key) : null;
}
