import type { Clock } from '../clock';
import { type Booked, finished, type Looked } from './booked';
import type { Refusal } from './grant';

const CALM_MS = 30_000;
const NEAR_MS = 5_000;
/** So long before the booked end, and after it, it is counted down: a change matters at once. */
export const COUNTDOWN_MS = 300_000;
/** Between two questions at the least, whatever suggests another. */
const GLANCE_MS = 2000;
/**
 * Before it is too late for fresh tokens, time enough to try again. Not earlier: each move is a
 * moment without the other, and an end that grows several times needs but one.
 */
const MOVE_BEFORE_MS = 300_000;
/** Two who moved at the same moment would each find the other gone. */
const MOVE_SPREAD_MS = 15_000;
const MOVE_AGAIN_MS = 5_000;
/** Timers of browsers overflow at 2^31 ms and would fire at once. */
const LONGEST_TIMER_MS = 86_400_000;

/** When the call ends, by this browser's clock. */
export interface Ends {
  /** The booked end. */
  bookedAt: number;
  /** As the server tells it (RFC 3339). */
  bookedTime: string;
  /** When it will be cut off: some grace later. */
  closesAt: number;
  /** The booking grew while we were in the call. */
  extended: boolean;
}

interface Ports {
  look(): Promise<Looked>;
  clock: Clock;
  random(): number;
}

interface Events {
  changed(ends: Ends): void;
  /** The booking lasts longer than our tokens, and it is time for others. */
  outgrown(): void;
  /** Our tokens have expired. */
  expired(): void;
  finished(why: Refusal): void;
}

interface Tokens {
  end_time: string;
  endsInMs: number;
  expiresInMs: number;
}

/**
 * Watches the booked time of a call under way, at a calm pace: it may be extended, or ended early.
 * The tokens of a link can't be renewed (janus.js keeps them to itself), so an extended call moves
 * to a new link before the old one's expire.
 */
export class Term {
  private ends: Ends | null = null;
  private expiresAt = 0;
  /** The booked end that our tokens were made for. */
  private tokensTime = '';
  private cancelLook = () => {};
  /** Null while the next question is not planned: one is under way, or there is no link. */
  private lookFrom: number | null = null;
  private cancelMove = () => {};
  private cancelExpiry = () => {};
  /** Late answers to a question of an earlier link are dropped. */
  private round = 0;

  constructor(
    private readonly ports: Ports,
    private readonly events: Events,
  ) {}

  /** There are new tokens. */
  begin(tokens: Tokens): void {
    this.pause();
    const now = this.ports.clock.now();
    const before = this.ends;
    this.tokensTime = tokens.end_time;
    this.expiresAt = now + tokens.expiresInMs;
    const grown = before !== null && msOf(tokens.end_time) > msOf(before.bookedTime);
    this.tell({
      bookedAt: now + tokens.endsInMs,
      bookedTime: tokens.end_time,
      closesAt: this.expiresAt,
      extended: grown || (before?.extended ?? false),
    });
    this.cancelExpiry = this.after(tokens.expiresInMs + 1000, () => this.events.expired());
    this.lookLater(null);
  }

  /** The link is gone; what is known of the end stays. */
  pause(): void {
    this.round += 1;
    this.lookFrom = null;
    this.cancelLook();
    this.cancelMove();
    this.cancelExpiry();
  }

  forget(): void {
    this.pause();
    this.ends = null;
  }

  /** The API has told how the booking is now. */
  learn(booked: Booked): void {
    const over = finished(booked);
    if (over) {
      this.events.finished(over);
      return;
    }
    const known = this.ends;
    // By how much it moved, told by two times of the server: its clock and ours never mix.
    const by = known ? msOf(booked.end_time) - msOf(known.bookedTime) : 0;
    if (!known || by === 0) return;
    this.tell({
      bookedAt: known.bookedAt + by,
      bookedTime: booked.end_time,
      closesAt: known.closesAt + by,
      extended: by > 0,
    });
    this.planMove();
  }

  /** Something suggests that the booking changed: asks now, unless that was just done. */
  glance(): void {
    if (this.lookFrom === null || this.ports.clock.now() < this.lookFrom) return;
    this.cancelLook();
    void this.look();
  }

  /** The fresh tokens did not come. */
  moveLater(retryAfterMs: number | null): void {
    const delay = Math.max(MOVE_AGAIN_MS, retryAfterMs ?? 0);
    this.cancelMove = this.after(delay, () => this.events.outgrown());
  }

  private planMove(): void {
    this.cancelMove();
    if (!this.ends || msOf(this.ends.bookedTime) <= msOf(this.tokensTime)) return;
    // Nobody is let in past the booked end, which may come before the expiry of what we have.
    const left = Math.min(this.expiresAt, this.ends.bookedAt) - this.ports.clock.now();
    const spread = MOVE_SPREAD_MS * this.ports.random();
    const delay = Math.max(left - MOVE_BEFORE_MS, 0) + Math.min(spread, left / 4);
    this.cancelMove = this.after(delay, () => this.events.outgrown());
  }

  private lookLater(retryAfterMs: number | null): void {
    const left = (this.ends?.bookedAt ?? 0) - this.ports.clock.now();
    const pace = left < COUNTDOWN_MS ? NEAR_MS : CALM_MS;
    const delay = pace * (0.8 + 0.4 * this.ports.random());
    this.lookFrom = this.ports.clock.now() + Math.max(GLANCE_MS, retryAfterMs ?? 0);
    this.cancelLook = this.after(Math.max(delay, retryAfterMs ?? 0), () => void this.look());
  }

  private async look(): Promise<void> {
    const round = this.round;
    this.lookFrom = null;
    const looked = await this.ports.look();
    if (round !== this.round) return;
    if (looked.kind === 'booked') this.learn(looked.booked);
    if (round !== this.round) return;
    this.lookLater(looked.kind === 'unknown' ? looked.retryAfterMs : null);
  }

  private tell(ends: Ends): void {
    this.ends = ends;
    this.events.changed(ends);
  }

  private after(ms: number, run: () => void): () => void {
    if (ms > LONGEST_TIMER_MS) return () => {};
    return this.ports.clock.after(Math.max(0, Math.round(ms)), run);
  }
}

const msOf = (time: string) => Date.parse(time);
