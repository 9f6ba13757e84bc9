import { type Booking, cancelBooking } from '../../api/bookings';
import { cancelSeries, type SeriesCancelled } from '../../api/series';
import { t } from '../../i18n';
import type { Session } from '../../session';
import { Dialog } from '../Dialog';
import { Trouble } from '../Trouble';
import { useAction } from '../useAction';

interface Props {
  booking: Booking;
  session: Session;
  when: string;
  onDone(news: string): void;
  onClose(): void;
  onSignedOut(): void;
}

/** Cancels a call, or all of its series that can still be cancelled, after asking. */
export function CancelBooking({ booking, session, when, onDone, onClose, onSignedOut }: Props) {
  const action = useAction(onSignedOut);
  const { series_id: series } = booking;

  const one = async () => {
    const done = await action.run(() => cancelBooking(session.token, booking.booking_id));
    if (done?.kind !== 'done') return;
    onClose();
    onDone(t('bookingCancelled', { when }));
  };
  const all = async (id: number) => {
    const done = await action.run<SeriesCancelled>(() => cancelSeries(session.token, id));
    if (done?.kind !== 'done') return;
    const { cancelled = [], kept = [] } = done.body ?? {};
    onClose();
    onDone(
      t(kept.length > 0 ? 'seriesCancelledPartly' : 'seriesCancelled', {
        n: cancelled.length,
        kept: kept.length,
      }),
    );
  };

  return (
    <Dialog title={t('cancelTitle')} testid="cancel-dialog" onClose={onClose}>
      <p>{t(series ? 'cancelSureSeries' : 'cancelSure', { when })}</p>
      <Trouble action={action} />
      <div class="dialog-actions">
        <button
          type="button"
          class="button"
          data-testid="cancel-booking-keep"
          disabled={action.busy}
          onClick={onClose}
        >
          {t('cancelNo')}
        </button>
        {series && (
          <button
            type="button"
            class="button danger"
            data-testid="cancel-series-confirm"
            disabled={action.busy}
            onClick={() => void all(series)}
          >
            {t('cancelWhole')}
          </button>
        )}
        <button
          type="button"
          class="button danger"
          data-testid="cancel-booking-confirm"
          disabled={action.busy}
          onClick={() => void one()}
        >
          {t(series ? 'cancelOnlyThis' : 'cancelYes')}
        </button>
      </div>
    </Dialog>
  );
}
