/** What the API gives to somebody who may enter now. Everything secret in here stays in memory. */
export interface Grant {
  booking_id: number;
  room_id: number;
  participant_id: number;
  display: string;
  /** The ways to the machine that has the room now, in the order in which to try them. */
  janus_urls: string[];
  session_token: string;
  room_token: string;
  pin: string;
  ice_servers: RTCIceServer[];
  start_time: string;
  end_time: string;
  expires_at: string;
  host: boolean;
}

export type RoomState = 'waiting' | 'starting' | 'retrying';

/** Why nobody, or not this person, can enter. */
export type Refusal =
  | 'invite_invalid'
  | 'invite_revoked'
  | 'ended_by_host'
  | 'signed_out'
  | 'not_found'
  | 'forbidden'
  | 'booking_over'
  | 'booking_cancelled';

/**
 * The API's answer to "may I enter?", in the terms of the call and not of HTTP. Moments are told as
 * time from now, so that a browser whose clock is wrong still waits for as long as it should.
 */
export type JoinOutcome =
  | { kind: 'granted'; grant: Grant; endsInMs: number; expiresInMs: number }
  | { kind: 'too_early'; opensInMs: number }
  | { kind: 'starting'; roomState: RoomState; retryAfterMs: number }
  | { kind: 'unavailable'; retryAfterMs: number | null }
  /** Too many questions came from here: not one more before that time. */
  | { kind: 'throttled'; retryAfterMs: number }
  | { kind: 'full' }
  | { kind: 'over'; why: Refusal }
  | { kind: 'denied'; why: Refusal }
  | { kind: 'broken' };
