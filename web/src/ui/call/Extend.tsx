import { useEffect, useRef, useState } from 'preact/hooks';
import type { Booking } from '../../api/bookings';
import type { Ends } from '../../call/term';
import { t } from '../../i18n';
import { at, duration, until } from '../../i18n/time';
import { focusUnlessElsewhere } from '../focus';
import { freeUntil, whyNotLonger } from '../messages';
import { Throttled } from '../Trouble';
import { useAction } from '../useAction';
import type { Host } from './useHost';

const STEPS = [15, 30];
/** Less than that is not worth a button. */
const LEAST_MS = 60_000;

/** The host's choice of how much longer, and why not when something follows. */
export function Extend(props: { ends: Ends; host: Host; onClose(): void }) {
  const { ends, host, onClose } = props;
  const action = useAction();
  const [why, setWhy] = useState<string | null>(null);
  const [limit, setLimit] = useState<Date | null>(null);
  const panel = useRef<HTMLDivElement>(null);
  const end = new Date(ends.bookedTime);

  useEffect(() => {
    panel.current?.querySelector('button')?.focus();
    const close = (event: KeyboardEvent) => {
      if (event.key === 'Escape') onClose();
    };
    document.addEventListener('keydown', close);
    return () => document.removeEventListener('keydown', close);
  }, []);

  // A button that works is disabled, and lets go of the focus.
  useEffect(() => {
    if (action.busy) return;
    const found =
      panel.current?.querySelector('.primary') ?? panel.current?.querySelector('button');
    focusUnlessElsewhere(found);
  }, [action.busy]);

  const extend = async (to: Date) => {
    setWhy(null);
    const done = await action.run<Booking>(() => host.extend(to));
    if (done?.kind === 'done') onClose();
    if (done?.kind !== 'refused') return;
    const free = freeUntil(done.answer);
    setLimit(free && free.getTime() - end.getTime() >= LEAST_MS ? free : null);
    setWhy(whyNotLonger(done.answer, end));
  };
  const problem = why ?? action.error;

  return (
    // biome-ignore lint/a11y/useSemanticElements: the call goes on beside it, so it is no <dialog>.
    <div
      ref={panel}
      class="extend"
      role="group"
      aria-label={t('extend')}
      data-testid="extend-panel"
    >
      <p>{t('endsAt', { at: at(end) })}</p>
      <div class="extend-steps">
        {STEPS.map((minutes) => (
          <button
            key={minutes}
            type="button"
            class="button"
            data-testid={`extend-${minutes}`}
            disabled={action.busy}
            onClick={() => void extend(new Date(end.getTime() + minutes * 60_000))}
          >
            {t('extendBy', { time: duration(minutes) })}
          </button>
        ))}
        {limit && (
          <button
            type="button"
            class="button primary"
            data-testid="extend-until"
            disabled={action.busy}
            onClick={() => void extend(limit)}
          >
            {t('extendUntil', { until: until(limit) })}
          </button>
        )}
      </div>
      {action.throttledUntil !== null && <Throttled until={action.throttledUntil} />}
      {problem && action.throttledUntil === null && (
        <p class="problem" role="alert" data-testid="extend-problem">
          {problem}
        </p>
      )}
    </div>
  );
}
