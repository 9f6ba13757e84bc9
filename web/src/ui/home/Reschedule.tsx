import { useState } from 'preact/hooks';
import { type Booking, changeBooking } from '../../api/bookings';
import { t } from '../../i18n';
import { dayAndTime } from '../../i18n/time';
import type { Session } from '../../session';
import { Dialog } from '../Dialog';
import { Trouble } from '../Trouble';
import { useAction } from '../useAction';
import { WhenFields } from './WhenFields';
import { fieldsOf, later, noticeOf, startOf, type When } from './when';

interface Props {
  booking: Booking;
  session: Session;
  when: string;
  onDone(news: string): void;
  onClose(): void;
  onSignedOut(): void;
}

/** Moves a call to another time; it keeps its old one until the new one is certain. */
export function Reschedule({ booking, session, when, onDone, onClose, onSignedOut }: Props) {
  const [wanted, setWanted] = useState<When>(() => whenOf(booking));
  const action = useAction(onSignedOut);

  const submit = async (event: Event) => {
    event.preventDefault();
    const start = startOf(wanted, new Date());
    if (!(start instanceof Date)) {
      action.say(t(start === 'skipped' ? 'errorSkipped' : 'errorTime'));
      return;
    }
    const times = {
      start_time: start.toISOString(),
      end_time: later(start, wanted.minutes).toISOString(),
    };
    const done = await action.run<Booking>(() =>
      changeBooking(session.token, booking.booking_id, times),
    );
    if (done?.kind !== 'done') return;
    onClose();
    onDone(t('rescheduled', { when: dayAndTime(start) }));
  };

  return (
    <Dialog title={t('rescheduleTitle')} testid="reschedule-dialog" onClose={onClose}>
      <p class="muted">{t(booking.series_id ? 'rescheduleOne' : 'rescheduleHelp', { when })}</p>
      <form class="later" onSubmit={(event) => void submit(event)}>
        <WhenFields value={wanted} noticeMs={noticeOf([booking])} onChange={setWanted} />
        <Trouble action={action} />
        <div class="dialog-actions">
          <button type="button" class="button" disabled={action.busy} onClick={onClose}>
            {t('rescheduleNo')}
          </button>
          <button
            type="submit"
            class="button primary"
            data-testid="reschedule-confirm"
            disabled={action.busy}
          >
            {t('reschedule')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function whenOf({ start_time, end_time }: Booking): When {
  const minutes = Math.round((Date.parse(end_time) - Date.parse(start_time)) / 60_000);
  return { ...fieldsOf(new Date(start_time)), minutes };
}
