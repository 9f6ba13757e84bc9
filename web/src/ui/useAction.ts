import { useState } from 'preact/hooks';
import type { Answer, Problem } from '../api/http';
import { browserClock } from '../clock';
import { t } from '../i18n';
import { type Performed, perform } from './performing';

export interface Action {
  busy: boolean;
  error: string | null;
  throttledUntil: number | null;
  /** One at a time: null when it is busy already. */
  run<T>(send: () => Promise<Answer<T & Problem>>): Promise<Performed<T> | null>;
  say(error: string | null): void;
}

/** What a button does: at most once at a time, patiently, and with a word when it fails. */
export function useAction(onSignedOut?: () => void): Action {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [throttledUntil, setThrottledUntil] = useState<number | null>(null);

  return {
    busy,
    error,
    throttledUntil,
    say: setError,
    async run(send) {
      if (busy) return null;
      setBusy(true);
      setError(null);
      const done = await perform(send, {
        clock: browserClock,
        random: Math.random,
        throttled: setThrottledUntil,
      });
      setBusy(false);
      if (done.kind === 'refused') setError(done.why);
      if (done.kind === 'signed_out') {
        setError(t('errorSession'));
        onSignedOut?.();
      }
      return done;
    },
  };
}
