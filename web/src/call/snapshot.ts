import type { Refusal, RoomState } from './grant';
import type { Ends } from './term';

export type Phase =
  | 'idle'
  | 'waiting'
  | 'starting'
  | 'joining'
  | 'waiting_peer'
  | 'connected'
  | 'reconnecting'
  | 'ended'
  | 'full'
  | 'denied'
  | 'error';

export type Reason = Refusal | 'left' | 'ended_for_all' | 'replaced' | 'broken';

export interface Snapshot {
  phase: Phase;
  reason: Reason | null;
  /** When the room opens, by this browser's clock, while it is too early. */
  opensAt: number | null;
  roomState: RoomState | null;
  participant: number | null;
  host: boolean;
  peerName: string | null;
  remote: MediaStream | null;
  /** The other was here in this stay. */
  met: boolean;
  /** When the booked time and the call end, once we are in. */
  ends: Ends | null;
  /** The link is being replaced for an extended call: nothing was lost, and it takes a moment. */
  moving: boolean;
  /** The other is between two connections of theirs, and their last picture stands for them. */
  held: boolean;
  /** Several attempts have failed: time to say more than "connecting". */
  troubled: boolean;
  /** We were told to wait before we ask again, until then by this browser's clock. */
  throttledUntil: number | null;
}

export const IDLE: Snapshot = {
  phase: 'idle',
  reason: null,
  opensAt: null,
  roomState: null,
  participant: null,
  host: false,
  peerName: null,
  remote: null,
  met: false,
  ends: null,
  moving: false,
  held: false,
  troubled: false,
  throttledUntil: null,
};
