import type { BookingPhase } from '../src/api/bookings';
import type { Looked } from '../src/call/booked';
import type { Grant, JoinOutcome } from '../src/call/grant';
import type { Link, LinkEvents, LinkRequest, LocalTracks, Ports, Sample } from '../src/call/ports';
import type { Clock } from '../src/clock';

/** A clock that tests move. Whatever falls due on the way runs in order. */
export class FakeClock implements Clock {
  private time = 1_000_000;
  private timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.time + ms, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  get pending(): number {
    return this.timers.length;
  }

  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
      await settle();
    }
    this.time = end;
  }
}

/** Lets every promise that can go on do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

export class FakeLink implements Link {
  closed = false;
  replaced: string[] = [];
  now: Sample = { received: null, sent: null, reported: null };

  constructor(
    readonly request: LinkRequest,
    readonly events: LinkEvents,
  ) {}

  sample(): Promise<Sample> {
    return Promise.resolve(this.now);
  }

  stats() {
    return Promise.resolve({ audioPackets: this.now.received ?? 0, framesDecoded: 1 });
  }

  replaceTrack(kind: 'audio' | 'video'): void {
    this.replaced.push(kind);
  }

  close(): void {
    this.closed = true;
  }
}

export const REMOTE = { id: 'remote' } as unknown as MediaStream;

/** Everything around a call: the API answers from a script, and the last answer stays. */
export class World implements Ports {
  readonly links: FakeLink[] = [];
  readonly owned: number[] = [];
  asks = 0;
  asking = 0;
  mostAsking = 0;
  answers: (JoinOutcome | Promise<JoinOutcome>)[] = [];
  /** What the booking is said to be; nothing is known before a test tells. */
  looked: Looked | Promise<Looked> = { kind: 'unknown', retryAfterMs: null };
  looks = 0;
  sent: LocalTracks = { audio: null, video: null };

  constructor(readonly clock = new FakeClock()) {}

  async join(): Promise<JoinOutcome> {
    this.asks += 1;
    this.asking += 1;
    this.mostAsking = Math.max(this.mostAsking, this.asking);
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    const outcome = await (answer ?? granted({ participant_id: this.asks }));
    this.asking -= 1;
    return outcome;
  }

  async look(): Promise<Looked> {
    this.looks += 1;
    return this.looked;
  }

  connect(request: LinkRequest, events: LinkEvents): Link {
    const link = new FakeLink(request, events);
    this.links.push(link);
    return link;
  }

  tracks(): LocalTracks {
    return this.sent;
  }

  random(): number {
    return 0;
  }

  own(id: number): readonly number[] {
    this.owned.push(id);
    return this.owned;
  }

  get link(): FakeLink {
    const link = this.links.at(-1);
    if (!link) throw new Error('no link yet');
    return link;
  }

  get open(): number {
    return this.links.filter((link) => !link.closed).length;
  }
}

export const HOUR = 3_600_000;

export const GRACE = 600_000;

/** The booking as it is at the end time that `granted` has, or so much later. */
export function booked(phase: BookingPhase, laterMs = 0): Looked {
  const end = Date.parse('2026-06-20T11:00:00Z') + laterMs;
  const times = { start_time: '2026-06-20T10:00:00Z', end_time: new Date(end).toISOString() };
  return { kind: 'booked', booked: { phase, ...times } };
}

export function granted(
  changes: Partial<Grant> = {},
  expiresInMs = HOUR,
): Extract<JoinOutcome, { kind: 'granted' }> {
  return {
    kind: 'granted',
    endsInMs: expiresInMs - GRACE,
    expiresInMs,
    grant: {
      booking_id: 7,
      room_id: 1234,
      participant_id: 1,
      display: 'Alice',
      janus_urls: ['ws://janus', 'http://janus/janus'],
      session_token: 'secret',
      room_token: 'secret',
      pin: 'secret',
      ice_servers: [],
      start_time: '2026-06-20T10:00:00Z',
      end_time: '2026-06-20T11:00:00Z',
      expires_at: '2026-06-20T11:10:00Z',
      host: true,
      ...changes,
    },
  };
}
