const FIRST_MS = 1000;
const LAST_MS = 5000;

/**
 * How long to wait before the nth attempt (0 is the first): half a second to one, doubling until
 * it is two and a half to five. The jitter keeps a room of browsers from returning to a restarted
 * server all at once.
 */
export function backoff(attempt: number, random: () => number): number {
  const full = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(full / 2 + (full / 2) * random());
}
