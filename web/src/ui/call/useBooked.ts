import { useEffect, useState } from 'preact/hooks';
import { type Booked, closed, look } from '../../call/booked';
import type { Call } from '../../call/call';
import type { Ticket } from '../../call/ticket';
import { currentSession } from '../../session';

/** The booking as it was when the page opened. One that is over needs no camera to say so. */
export function useBooked(ticket: Ticket, call: Call): Booked | null {
  const [booked, setBooked] = useState<Booked | null>(null);
  useEffect(() => {
    let stale = false;
    void look(ticket, currentSession()?.token).then((looked) => {
      if (stale || looked.kind === 'unknown') return;
      setBooked(looked.booked);
      const over = closed(looked.booked);
      if (over && call.snapshot.phase === 'idle') call.leave(over);
    });
    return () => {
      stale = true;
    };
  }, [ticket, call]);
  return booked;
}
