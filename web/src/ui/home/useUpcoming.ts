import { useEffect, useRef, useState } from 'preact/hooks';
import { type Booking, upcomingBookings } from '../../api/bookings';

const EVERY_MS = 60_000;
/** When a 429 names no time. */
const THROTTLED_MS = 10_000;

export interface Upcoming {
  bookings: Booking[];
  /** By how much the server's clock is ahead of this browser's. */
  aheadMs: number;
}

export interface Reading {
  upcoming: Upcoming | null;
  failed: boolean;
  throttledUntil: number | null;
}

/**
 * The person's calls to come, read again when one is made or changed (a new `version`), when the
 * page is looked at again, and each minute, for what may be done with one depends on the time.
 */
export function useUpcoming(token: string, version: number, onSignedOut: () => void): Reading {
  const [upcoming, setUpcoming] = useState<Upcoming | null>(null);
  const [failed, setFailed] = useState(false);
  const [throttledUntil, setThrottledUntil] = useState<number | null>(null);

  // A new version means to look again.
  useEffect(() => {
    let stale = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async () => {
      clearTimeout(timer);
      const { status, body, retryAfterMs, serverTime } = await upcomingBookings(token);
      if (stale) return;
      const throttled = status === 429;
      const pause = throttled ? (retryAfterMs ?? THROTTLED_MS) : EVERY_MS;
      setThrottledUntil(throttled ? Date.now() + pause : null);
      setFailed(status !== 200 && !throttled);
      if (status === 200) {
        const bookings = inOrder(body ?? []);
        setUpcoming({ bookings, aheadMs: serverTime - Date.now() });
      }
      if (status === 401) onSignedOut();
      else timer = setTimeout(look, Math.max(pause, retryAfterMs ?? 0));
    };
    const look = () => {
      if (document.visibilityState === 'visible') void read();
    };
    void read();
    document.addEventListener('visibilitychange', look);
    return () => {
      stale = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, [token, version]);

  return { upcoming, failed, throttledUntil };
}

function inOrder(bookings: Booking[]): Booking[] {
  return [...bookings].sort((a, b) => Date.parse(a.start_time) - Date.parse(b.start_time));
}

/**
 * The booking that was just made, as it is now: null once it has left the list. Until the list has
 * shown it, it is as it was made.
 */
export function useStillBooked(made: Booking | null, upcoming: Upcoming | null): Booking | null {
  const seen = useRef<number | null>(null);
  const listed = upcoming?.bookings.find((one) => one.booking_id === made?.booking_id) ?? null;
  if (listed) seen.current = listed.booking_id;
  return listed ?? (made && seen.current !== made.booking_id ? made : null);
}
