import { cancelBooking } from '../../api/bookings';
import type { Session } from '../../session';
import { messageOf } from '../messages';

export type Cancelled =
  | { kind: 'done' }
  | { kind: 'signed_out' }
  /** It stands; the text says why. */
  | { kind: 'refused'; why: string };

/** Asks for the end of a booking that has not begun. The API knows until when that is possible. */
export async function cancelCall(session: Session, id: number): Promise<Cancelled> {
  const answer = await cancelBooking(session.token, id);
  if (answer.status === 204) return { kind: 'done' };
  if (answer.status === 401) return { kind: 'signed_out' };
  return { kind: 'refused', why: messageOf(answer) };
}
