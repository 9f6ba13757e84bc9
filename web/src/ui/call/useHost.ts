import { useMemo } from 'preact/hooks';
import { type Booking, endBooking, extendBooking } from '../../api/bookings';
import { type Answer, isGood, type Problem } from '../../api/http';
import type { Call } from '../../call/call';
import type { Ticket } from '../../call/ticket';
import { currentSession } from '../../session';

/** What only whoever booked may do in the call; the API decides who that is. */
export interface Host {
  extend(end: Date): Promise<Answer<Booking & Problem>>;
  endForAll(): Promise<Answer<Problem>>;
}

export function useHost(ticket: Ticket, call: Call): Host | null {
  return useMemo(() => {
    if (ticket.kind !== 'booking') return null;
    const { id } = ticket;
    const bearer = () => currentSession()?.token ?? '';
    return {
      async extend(end) {
        const answer = await extendBooking(bearer(), id, end);
        if (isGood(answer) && answer.body) call.learn(answer.body);
        return answer;
      },
      async endForAll() {
        const answer = await endBooking(bearer(), id);
        if (isGood(answer)) call.leave('ended_for_all');
        return answer;
      },
    };
  }, [ticket, call]);
}
