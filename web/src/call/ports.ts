import type { Clock } from '../clock';
import type { Looked } from './booked';
import type { Grant, JoinOutcome } from './grant';

export interface LocalTracks {
  audio: MediaStreamTrack | null;
  video: MediaStreamTrack | null;
}

/** Why a connection is no good any more. `peer` is never among them: people may leave. */
export type LinkFailure =
  | 'socket'
  | 'janus'
  | 'ice'
  | 'timeout'
  | 'silent'
  | 'kicked'
  | 'room_gone'
  | 'hangup'
  | 'refused';

export interface LinkEvents {
  /** We are in the room; `expecting` when the other is there already. */
  joined(expecting: boolean): void;
  /**
   * The other person publishes (with this name), or no longer does. `back`: they were taken out in
   * favour of a newer connection of theirs, which is on its way.
   */
  peer(name: string | null, back?: boolean): void;
  /** The other's media reaches us. */
  media(stream: MediaStream): void;
  failed(why: LinkFailure, detail?: string): void;
}

/** Counters since the link began. Null: nothing to expect there now. */
export interface Sample {
  /** Packets and frames that came from the other; null while there is nobody to hear. */
  received: number | null;
  /** Packets that we sent; null while we send nothing. */
  sent: number | null;
  /** Changes with each receiver report about what we sent; null before the first. */
  reported: number | null;
}

/** What came from the other, since the link of now began to receive them: a new one counts anew. */
export interface CallStats {
  audioPackets: number;
  framesDecoded: number;
}

/** One Janus session with its handles. It is used once: a lost one is closed and another made. */
export interface Link {
  sample(): Promise<Sample>;
  stats(): Promise<CallStats>;
  replaceTrack(kind: 'audio' | 'video', track: MediaStreamTrack | null): void;
  close(): void;
}

export interface LinkRequest {
  grant: Grant;
  tracks: LocalTracks;
  /** Every id that this tab has had in this call: what they publish is our own ghost. */
  ownIds: readonly number[];
}

/** The things outside that the call leans on, so that tests can stand in for them. */
export interface Ports {
  join(): Promise<JoinOutcome>;
  /** What the API says of the booking now. */
  look(): Promise<Looked>;
  /** Never calls an event before it has returned, nor any after the link was closed. */
  connect(request: LinkRequest, events: LinkEvents): Link;
  tracks(): LocalTracks;
  clock: Clock;
  random(): number;
  /** Tells that this id is (or was) ours; returns all of them. */
  own(id: number): readonly number[];
}
