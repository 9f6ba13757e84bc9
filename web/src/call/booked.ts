import { type BookingPhase, bookingById } from '../api/bookings';
import type { Answer, Problem } from '../api/http';
import { showInvite } from '../api/invites';
import type { Refusal } from './grant';
import type { Ticket } from './ticket';

/** A booking as the API tells it to host and guest alike. Times are RFC 3339, by the server. */
export interface Booked {
  phase: BookingPhase;
  start_time: string;
  end_time: string;
  opens_at?: string;
  /** Of whom the invite is. */
  name?: string | null;
  /** The shared invite; the host alone is told. */
  invite_url?: string | null;
}

export type Looked =
  /** `opensInMs`: by the server's clock; absent when the room's opening is not told. */
  | { kind: 'booked'; booked: Booked; opensInMs?: number }
  /** `why`: whoever asks can't enter. */
  | { kind: 'unknown'; retryAfterMs: number | null; why?: Refusal };

/** Asks how the booking of a call fares. It takes no seat and changes nothing. */
export async function look(ticket: Ticket, bearer: string | undefined): Promise<Looked> {
  const answer: Answer<Booked & Problem> =
    ticket.kind === 'invite'
      ? await showInvite(ticket.token)
      : await bookingById(bearer ?? '', ticket.id);
  return lookedAt(answer, ticket.kind);
}

export function lookedAt(answer: Answer<Booked & Problem>, ticket: Ticket['kind']): Looked {
  const { status, body, retryAfterMs, serverTime } = answer;
  if (status === 200 && body && !Number.isNaN(Date.parse(body.end_time))) {
    const opensInMs = Date.parse(body.opens_at ?? '') - serverTime;
    return { kind: 'booked', booked: body, ...(Number.isNaN(opensInMs) ? {} : { opensInMs }) };
  }
  const why = ticket === 'booking' ? REFUSALS[status] : refusedInvite(status, body?.code);
  return { kind: 'unknown', retryAfterMs, ...(why ? { why } : {}) };
}

const REFUSALS: Partial<Record<number, Refusal>> = {
  401: 'signed_out',
  403: 'forbidden',
  404: 'not_found',
};

/** A link that will never do: nobody should have to enter to learn that. */
function refusedInvite(status: number, code: string | undefined): Refusal | undefined {
  if (status === 401) return 'invite_invalid';
  return code === 'invite_revoked' ? code : undefined;
}

/** Why nobody can enter any more; null while they can. */
export const closed = (booked: Booked): Refusal | null =>
  booked.phase === 'over' ? 'booking_over' : finished(booked);

/**
 * Why nobody can be in the call any more; null while they can. Past its end the call may go on for
 * as long as its tokens do.
 */
export function finished(booked: Booked): Refusal | null {
  if (booked.phase === 'ended') return 'ended_by_host';
  return booked.phase === 'cancelled' ? 'booking_cancelled' : null;
}
