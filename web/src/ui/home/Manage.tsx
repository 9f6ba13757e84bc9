import { useState } from 'preact/hooks';
import { type Booking, calendarFile } from '../../api/bookings';
import { t } from '../../i18n';
import { dayAndTime } from '../../i18n/time';
import type { Session } from '../../session';
import { useNow } from '../hooks';
import { Trouble } from '../Trouble';
import { useAction } from '../useAction';
import { CancelBooking } from './CancelBooking';
import { Guests } from './Guests';
import { Reschedule } from './Reschedule';
import { save } from './save';

interface Props {
  booking: Booking;
  aheadMs: number;
  session: Session;
  onChanged(news: string | null): void;
  onSignedOut(): void;
}

/** What the booker may do with a call besides entering it; only what is still possible. */
export function Manage({ booking, aheadMs, session, onChanged, onSignedOut }: Props) {
  const [asked, setAsked] = useState<'cancel' | 'change' | null>(null);
  const action = useAction(onSignedOut);
  const now = useNow(true) + aheadMs;
  const may = (until: string | null | undefined) => !!until && now < Date.parse(until);
  const [cancels, changes] = [may(booking.cancel_until), may(booking.change_until)];
  const when = dayAndTime(new Date(booking.start_time));

  const download = async () => {
    const done = await action.run<Blob>(() => calendarFile(session.token, booking.booking_id));
    if (done?.kind === 'done' && done.body) save(done.body, `suroga-${booking.booking_id}.ics`);
  };
  const common = { booking, session, when, onSignedOut };

  return (
    <>
      <div class="manage-actions">
        <button
          type="button"
          class="button"
          data-testid="calendar"
          disabled={action.busy}
          onClick={() => void download()}
        >
          {t('calendar')}
        </button>
        {changes && (
          <button
            type="button"
            class="button"
            data-testid="reschedule"
            onClick={() => setAsked('change')}
          >
            {t('reschedule')}
          </button>
        )}
        {cancels && (
          <button
            type="button"
            class="button"
            data-testid="cancel-booking"
            onClick={() => setAsked('cancel')}
          >
            {t('cancelCall')}
          </button>
        )}
      </div>
      {!cancels && !changes && <p class="muted small">{t('tooLateToChange')}</p>}
      <Trouble action={action} />
      <Guests
        booking={booking}
        session={session}
        onChanged={() => onChanged(null)}
        onSignedOut={onSignedOut}
      />
      {asked === 'cancel' && (
        <CancelBooking {...common} onDone={onChanged} onClose={() => setAsked(null)} />
      )}
      {asked === 'change' && (
        <Reschedule {...common} onDone={onChanged} onClose={() => setAsked(null)} />
      )}
    </>
  );
}
