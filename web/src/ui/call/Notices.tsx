import type { Snapshot } from '../../call/snapshot';
import { COUNTDOWN_MS, type Ends } from '../../call/term';
import { t } from '../../i18n';
import { countdown, until } from '../../i18n/time';
import type { MediaState } from '../../media/localMedia';
import { useForAWhile, useNow, useOnline } from '../hooks';
import { Throttled } from '../Trouble';
import { mediaMessage } from './texts';

/** What a person should know in the middle of a call. It goes away by itself. */
export function Notices({ snapshot, mediaState }: { snapshot: Snapshot; mediaState: MediaState }) {
  const { ends, troubled, throttledUntil } = snapshot;
  const online = useOnline();
  const device = useForAWhile(mediaMessage(mediaState));
  const longer = useForAWhile(ends?.extended ? ends.bookedTime : null);
  return (
    <div class="notices" role="status" aria-live="polite">
      {!online && <p class="notice">{t('offline')}</p>}
      {online && throttledUntil !== null && <Throttled until={throttledUntil} />}
      {online && throttledUntil === null && troubled && <p class="notice">{t('troubled')}</p>}
      {longer && (
        <p class="notice" data-testid="extended">
          {t('extended', { until: until(new Date(longer)) })}
        </p>
      )}
      {ends && <Ending ends={ends} />}
      {device && <p class="notice">{t(device)}</p>}
    </div>
  );
}

/** How long the call has, once that is little: to the booked end, and then to the very last. */
function Ending({ ends }: { ends: Ends }) {
  const now = useNow(true);
  const { bookedAt, closesAt } = ends;
  if (bookedAt - now > COUNTDOWN_MS) return null;
  const over = now >= bookedAt;
  return (
    // Each second would be read out aloud.
    <p class="notice" data-testid="ends-soon" aria-live="off">
      {t(over ? 'closesIn' : 'endsIn', { time: countdown((over ? closesAt : bookedAt) - now) })}
    </p>
  );
}
