import { t } from '../i18n';
import { countdown } from '../i18n/time';
import { useNow } from './hooks';
import type { Action } from './useAction';

/** Why something did not happen, or not yet. */
export function Trouble({ action }: { action: Pick<Action, 'error' | 'throttledUntil'> }) {
  const { error, throttledUntil } = action;
  if (throttledUntil !== null) return <Throttled until={throttledUntil} />;
  return error ? (
    <p class="problem" role="alert">
      {error}
    </p>
  ) : null;
}

export function Throttled({ until }: { until: number }) {
  const now = useNow(true);
  return (
    <p class="notice" role="status">
      {t('throttled')}{' '}
      <span aria-live="off">{t('throttledFor', { time: countdown(until - now) })}</span>
    </p>
  );
}
