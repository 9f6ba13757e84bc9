import { browserClock } from '../clock';
import { browserDevices } from '../media/acquire';
import { Avatar } from '../media/avatar';
import { LocalMedia } from '../media/localMedia';
import { currentSession } from '../session';
import { forget, recall, remember } from '../storage';
import { type Looked, look } from './booked';
import { Call } from './call';
import { Copies } from './copies';
import { JanusLink } from './janus/link';
import { Transports } from './janus/session';
import { askToJoin, named } from './joinApi';
import { rememberId, seatFor } from './seat';
import type { Ticket } from './ticket';

/** What a tab knows of its stay, so that a reload goes straight back into the call. */
interface Stay {
  display: string;
}

export interface Wired {
  call: Call;
  media: LocalMedia;
  /** Hears each answer about the booking, until it is called off. */
  onLooked(listener: (looked: Looked) => void): () => void;
  /** Asks how the booking fares. */
  look(): Promise<Looked>;
  /** The name given at the door. */
  readonly display: string;
  stay(): Stay | null;
  enter(display: string): void;
  exit(): void;
  /** The page is going, or has another call to show. */
  close(): void;
}

/** Puts a call together for a browser. */
export function wireCall(ticket: Ticket): Wired {
  const seat = seatFor(ticket);
  const stayKey = `suroga.stay.${seat.nonce}`;
  let display = recall<Stay>(stayKey)?.display ?? '';
  const avatar = new Avatar(() => display || (currentSession()?.name ?? ''));
  const media = new LocalMedia(browserDevices, avatar);
  const transports = new Transports();
  const listeners = new Set<(looked: Looked) => void>();
  const ask = async () => {
    const looked = await look(ticket, currentSession()?.token);
    for (const listener of listeners) listener(looked);
    return looked;
  };
  const call = new Call({
    join: async () =>
      named(await askToJoin(ticket, seat.nonce, display, currentSession()?.token), ask),
    look: ask,
    connect: (request, events) => new JanusLink(request, events, browserClock, transports),
    tracks: () => media.tracks(),
    clock: browserClock,
    random: Math.random,
    own(id) {
      rememberId(ticket, seat, id);
      return seat.ids;
    },
  });
  media.changes = {
    replaced: (kind, track) => call.replaceTrack(kind, track),
    added: () => call.renew(),
  };
  // Whoever booked has one seat, whatever the tab. Another who is signed in here has none of it.
  const shared =
    ticket.kind === 'booking' ? `booking.${ticket.id}.${currentSession()?.name}` : seat.nonce;
  const copies = new Copies(shared, () => {
    if (call.underway) call.leave('replaced');
  });
  return {
    call,
    media,
    onLooked(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    look: ask,
    get display() {
      return display;
    },
    stay: () => recall<Stay>(stayKey),
    enter(name) {
      display = name;
      remember(stayKey, { display });
      copies.takeOver();
      call.start();
    },
    exit: () => forget(stayKey),
    close() {
      copies.close();
      call.vanish();
      media.release();
    },
  };
}

/**
 * For end-to-end tests: how the call fares, and nothing that is secret. The counters are those of
 * the browser, as they are: a new connection, and a new stream in the element, begin again from 0.
 */
export function expose(call: Call): void {
  Object.defineProperty(window, '__call', {
    configurable: true,
    value: {
      get state() {
        return call.snapshot.phase;
      },
      get participant() {
        return call.snapshot.participant;
      },
      async stats() {
        const { audioPackets, framesDecoded } = await call.stats();
        const video = document.querySelector<HTMLVideoElement>('#remote-video');
        const videoFrames = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
        return { videoFrames, audioPackets, framesDecoded };
      },
    },
  });
}
