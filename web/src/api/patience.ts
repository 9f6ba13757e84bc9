import type { Clock } from '../clock';
import { type Answer, NO_ANSWER, type Problem } from './http';

const PAUSES_MS = [500, 1500, 3000];
/** When a 429 names no time. */
const THROTTLED_MS = 10_000;
const LONGEST_THROTTLE_MS = 120_000;
const LONGEST_OUTAGE_MS = 15_000;
/** Nobody waits for a dead server for longer than about this. */
const ENOUGH_MS = 30_000;
const IN_FLIGHT_MS = 1000;
const MOST_ATTEMPTS = 6;

export interface Patience {
  clock: Clock;
  random(): number;
  /** We are told to wait, until then by this browser's clock; null when the wait is over. */
  throttled(until: number | null): void;
}

/**
 * Sends until there is an answer that means something. Only for what may be sent twice: a GET, a
 * change that names its end state, or a POST with an Idempotency-Key.
 */
export async function persist<T>(
  send: () => Promise<Answer<T>>,
  patience: Patience,
): Promise<Answer<T>> {
  const began = patience.clock.now();
  for (let attempt = 0; ; attempt += 1) {
    const answer = await send();
    const pause = attempt + 1 < MOST_ATTEMPTS ? pauseAfter(answer, attempt) : null;
    const enough = answer.status !== 429 && patience.clock.now() - began > ENOUGH_MS;
    if (pause === null || enough) return answer;
    // Many were told the same moment: nobody comes back before it, and not all at once.
    const ms = pause + Math.round(500 * patience.random());
    if (answer.status === 429) patience.throttled(patience.clock.now() + ms);
    await new Promise<void>((resolve) => {
      patience.clock.after(ms, resolve);
    });
    patience.throttled(null);
  }
}

/** How long to wait before asking again; null when the answer will do, or nothing will help. */
function pauseAfter({ status, body, retryAfterMs }: Answer, attempt: number): number | null {
  if (status === 429) {
    const ms = retryAfterMs ?? THROTTLED_MS;
    return ms <= LONGEST_THROTTLE_MS ? ms : null;
  }
  if (status === 409 && (body as Problem | null)?.code === 'idempotency_in_flight') {
    return retryAfterMs ?? IN_FLIGHT_MS;
  }
  if (status !== NO_ANSWER && status !== 503) return null;
  const ms = PAUSES_MS[attempt];
  if (ms === undefined || (retryAfterMs ?? 0) > LONGEST_OUTAGE_MS) return null;
  return Math.max(ms, retryAfterMs ?? 0);
}
