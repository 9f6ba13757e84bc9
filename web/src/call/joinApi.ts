import { type Answer, NO_ANSWER, type Problem, request } from '../api/http';
import { finished, type Looked } from './booked';
import type { Grant, JoinOutcome, RoomState } from './grant';
import type { Ticket } from './ticket';

const STARTING_POLL_MS = 3000;
/** When a 429 names no time. */
const THROTTLED_MS = 10_000;

/** The ask for a seat. A nonce gets its own seat back; the booker's newest has their only one. */
export async function askToJoin(
  ticket: Ticket,
  nonce: string,
  display: string,
  bearer: string | undefined,
): Promise<JoinOutcome> {
  const body = { nonce, ...(display ? { display } : {}) };
  const answer =
    ticket.kind === 'invite'
      ? await request<Grant & Problem>('/api/v1/invites/join', {
          method: 'POST',
          body: { token: ticket.token, ...body },
        })
      : await request<Grant & Problem>(`/api/v1/bookings/${ticket.id}/join`, {
          method: 'POST',
          token: bearer,
          body,
        });
  return outcomeOf(answer, ticket.kind);
}

export function outcomeOf(
  { status, body, retryAfterMs, serverTime }: Answer<Grant & Problem>,
  ticket: Ticket['kind'],
): JoinOutcome {
  const code = body?.code;
  switch (status) {
    case 200: {
      const expiresAt = Date.parse(body?.expires_at ?? '');
      const endsAt = Date.parse(body?.end_time ?? '');
      if (!body || Number.isNaN(expiresAt + endsAt)) return { kind: 'unavailable', retryAfterMs };
      return {
        kind: 'granted',
        grant: body,
        endsInMs: endsAt - serverTime,
        expiresInMs: expiresAt - serverTime,
      };
    }
    case 401:
      return { kind: 'denied', why: ticket === 'invite' ? 'invite_invalid' : 'signed_out' };
    case 403: {
      const opensAt = Date.parse(body?.opens_at ?? '');
      if (Number.isFinite(opensAt)) {
        return { kind: 'too_early', opensInMs: Math.max(0, opensAt - serverTime) };
      }
      return { kind: 'denied', why: 'forbidden' };
    }
    case 404:
      return { kind: 'denied', why: 'not_found' };
    case 409:
      return { kind: 'full' };
    case 410:
      if (code === 'invite_revoked') return { kind: 'denied', why: code };
      return {
        kind: 'over',
        why: code === 'booking_cancelled' ? 'booking_cancelled' : 'booking_over',
      };
    case 425:
      return {
        kind: 'starting',
        roomState: roomState(body?.state),
        retryAfterMs: retryAfterMs ?? STARTING_POLL_MS,
      };
    case 429:
      return { kind: 'throttled', retryAfterMs: retryAfterMs ?? THROTTLED_MS };
    case NO_ANSWER:
    case 408:
      return { kind: 'unavailable', retryAfterMs };
    default:
      // Any other refusal of ours (400, 413, …) will be the same next time.
      return status >= 500 ? { kind: 'unavailable', retryAfterMs } : { kind: 'broken' };
  }
}

/** A booking that is over may have run its time, or have been ended: the refusal says neither. */
export async function named(
  outcome: JoinOutcome,
  ask: () => Promise<Looked>,
): Promise<JoinOutcome> {
  if (outcome.kind !== 'over' || outcome.why !== 'booking_over') return outcome;
  const looked = await ask();
  const why = looked.kind === 'booked' ? finished(looked.booked) : null;
  return { kind: 'over', why: why ?? outcome.why };
}

function roomState(state: string | undefined): RoomState {
  return state === 'waiting' || state === 'retrying' ? state : 'starting';
}
