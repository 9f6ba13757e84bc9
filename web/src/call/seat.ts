import { newNonce } from '../ids';
import { recall, remember } from '../storage';
import type { Ticket } from './ticket';

/** Who this tab is in one call: the nonce that keeps its seat, and every id that it has had. */
export interface Seat {
  nonce: string;
  ids: number[];
}

const KEPT_IDS = 20;

const keyOf = (ticket: Ticket) =>
  ticket.kind === 'booking'
    ? `suroga.seat.booking.${ticket.id}`
    : `suroga.seat.invite.${ticket.token.slice(-24)}`;

export function seatFor(ticket: Ticket): Seat {
  const known = recall<Seat>(keyOf(ticket));
  if (known) return known;
  const seat: Seat = { nonce: newNonce(), ids: [] };
  remember(keyOf(ticket), seat);
  return seat;
}

/** Keeps an id past a reload, so that our own ghost is never taken for the other person. */
export function rememberId(ticket: Ticket, seat: Seat, id: number): void {
  if (seat.ids.includes(id)) return;
  seat.ids = [...seat.ids, id].slice(-KEPT_IDS);
  remember(keyOf(ticket), seat);
}
