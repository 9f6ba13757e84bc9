import { backoff } from './backoff';
import type { Grant, JoinOutcome, Refusal, RoomState } from './grant';
import type { CallStats, Link, LinkFailure, Ports } from './ports';
import { Watchdog } from './watchdog';

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
  /** When the call will be cut off, by this browser's clock, once that is near. */
  endsAt: number | null;
  /** Several attempts have failed: time to say more than "connecting". */
  troubled: boolean;
}

const IDLE: Snapshot = {
  phase: 'idle',
  reason: null,
  opensAt: null,
  roomState: null,
  participant: null,
  host: false,
  peerName: null,
  remote: null,
  endsAt: null,
  troubled: false,
};

const TICK_MS = 1000;
/** A connection that lasts this long is a good one: the next failure starts to count from zero. */
const STABLE_MS = 10_000;
/** Before the tokens expire, time enough to learn whether the booking was extended. */
const RENEW_BEFORE_MS = 120_000;
/** While waiting we ask now and then: the booking may be cancelled or moved. */
const LONGEST_WAIT_MS = 60_000;
const SHORTEST_WAIT_MS = 1000;
const FULL_POLL_MS = 10_000;
const YIELD_MS = 30_000;
const TROUBLED_AFTER = 3;
/** Timers of browsers overflow at 2^31 ms and would fire at once. */
const LONGEST_TIMER_MS = 86_400_000;

/**
 * A person's stay in a call, from asking for a seat to leaving, through every loss in between.
 *
 * There is at most one of each at any time: a question to the API, a timer for the next one, and a
 * link. Whatever goes wrong ends in `recover`: the link is thrown away (a Janus session can't be
 * resumed after a restart) and the API is asked anew. Its answer decides, so the browser
 * never needs to know why it was cut off.
 */
export class Call {
  private state: Snapshot = IDLE;
  private readonly listeners = new Set<(snapshot: Snapshot) => void>();
  private readonly watchdog = new Watchdog();
  /** A new one for each stay: late answers to an earlier one are dropped. */
  private stay = 0;
  private asking = false;
  private link: Link | null = null;
  private attempts = 0;
  private joinedOnce = false;
  /** We lost the connection and come back by ourselves, and the API has answered all along. */
  private returning = false;
  /** Until then, a kick means that another page of this person wants the seat more. */
  private yieldsUntil = Number.NEGATIVE_INFINITY;
  private cancelAsk: (() => void) | null = null;
  private cancelTick: (() => void) | null = null;
  private linkTimers: (() => void)[] = [];

  constructor(private readonly ports: Ports) {}

  get snapshot(): Snapshot {
    return this.state;
  }

  /** Whether there is, or soon will be, a seat of ours. */
  get underway(): boolean {
    return !['idle', 'ended', 'denied', 'error'].includes(this.state.phase);
  }

  subscribe(listener: (snapshot: Snapshot) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    this.reset();
    this.attempts = 0;
    this.joinedOnce = false;
    this.returning = false;
    this.yieldsUntil = Number.NEGATIVE_INFINITY;
    this.set({ ...IDLE, phase: 'joining' });
    this.ask();
  }

  /** Stops everything and frees the seat. */
  leave(reason: Reason = 'left'): void {
    this.stop('ended', reason);
  }

  /** Does at once what a timer waits to do: the network is back, or the person is impatient. */
  hurry(): void {
    if (!this.cancelAsk) return;
    this.cancelAsk();
    this.ask();
  }

  /** Moves to a new link, for what we offer has changed in kind. */
  renew(): void {
    if (this.link) this.recover(0);
  }

  /** The page is going: frees the seat, and tells nobody who is left to tell. */
  vanish(): void {
    this.reset();
  }

  replaceTrack(kind: 'audio' | 'video', track: MediaStreamTrack | null): void {
    this.link?.replaceTrack(kind, track);
  }

  async stats(): Promise<CallStats> {
    return (await this.link?.stats()) ?? { audioPackets: 0, framesDecoded: 0 };
  }

  private async ask(): Promise<void> {
    if (this.asking) return;
    const stay = this.stay;
    this.asking = true;
    this.cancelAsk = null;
    const outcome = await this.ports.join();
    if (stay !== this.stay) return;
    this.asking = false;
    this.answer(outcome);
  }

  /**
   * Asks for fresh tokens while the call goes on. Only a grant replaces the link (the API has then
   * thrown the old participant out); after a refusal the old tokens are good for a while yet.
   */
  private async askForMore(expiresAt: number): Promise<void> {
    if (this.asking) return;
    const stay = this.stay;
    this.asking = true;
    const outcome = await this.ports.join();
    if (stay !== this.stay) return;
    this.asking = false;
    if (this.link && outcome.kind !== 'granted') {
      this.watchExpiry(expiresAt - this.ports.clock.now());
      return;
    }
    this.dropLink();
    this.answer(outcome);
  }

  private answer(outcome: JoinOutcome): void {
    const underway: Phase = this.joinedOnce ? 'reconnecting' : 'joining';
    switch (outcome.kind) {
      case 'granted':
        this.set({ phase: underway, opensAt: null, roomState: null });
        if (this.returning) this.yieldForAWhile();
        this.connect(outcome.grant, outcome.expiresInMs);
        return;
      case 'too_early':
        this.set({ phase: 'waiting', opensAt: this.ports.clock.now() + outcome.opensInMs });
        this.askIn(clamp(outcome.opensInMs, SHORTEST_WAIT_MS, LONGEST_WAIT_MS));
        return;
      case 'starting':
        this.set({
          phase: this.joinedOnce ? 'reconnecting' : 'starting',
          roomState: outcome.roomState,
          opensAt: null,
        });
        this.askIn(clamp(outcome.retryAfterMs, SHORTEST_WAIT_MS, LONGEST_WAIT_MS));
        return;
      case 'unavailable':
        // What got no answer may yet be done, late: then it is ourselves who throw us out.
        this.returning = false;
        this.set({ phase: underway });
        this.askAfterFailure(outcome.retryAfterMs);
        return;
      case 'full':
        this.set({ phase: 'full', participant: null, remote: null, peerName: null });
        this.askIn(FULL_POLL_MS);
        return;
      case 'over':
        this.stop('ended', outcome.why);
        return;
      case 'denied':
        this.stop('denied', outcome.why);
        return;
      case 'broken':
        this.stop('error', 'broken');
        return;
    }
  }

  private connect(grant: Grant, expiresInMs: number): void {
    const { clock } = this.ports;
    const ownIds = this.ports.own(grant.participant_id);
    this.watchdog.restart();
    this.set({ participant: grant.participant_id, host: grant.host });
    this.watchExpiry(expiresInMs);

    const link = this.ports.connect(
      { grant, ownIds, tracks: this.ports.tracks() },
      {
        joined: (expecting) => {
          if (this.link !== link) return;
          this.joinedOnce = true;
          if (!expecting) this.set({ phase: 'waiting_peer', remote: null, peerName: null });
          this.linkTimers.push(clock.after(STABLE_MS, () => this.settle()));
          this.watch(link);
        },
        peer: (name) => {
          if (this.link !== link) return;
          if (name === null) this.set({ phase: 'waiting_peer', remote: null, peerName: null });
          else this.set({ peerName: name });
        },
        media: (remote) => {
          if (this.link === link) this.set({ phase: 'connected', remote });
        },
        failed: (why) => {
          if (this.link === link) this.lost(why);
        },
      },
    );
    this.link = link;
  }

  private lost(why: LinkFailure): void {
    // While fresh tokens are asked for, the API throws our old participant out: all is well.
    if (why !== 'kicked' || this.asking) {
      this.recover();
      return;
    }
    if (this.ports.clock.now() < this.yieldsUntil) {
      this.stop('ended', 'replaced');
      return;
    }
    // The API knows why we were shown the door: the booking is over, or it lets us in again. But
    // the pages of whoever booked share one seat, and so do copies of one tab: we may just have
    // taken it back from a newer page. If that one insists, it is right.
    this.yieldForAWhile();
    this.recover(0);
  }

  /**
   * Pages that share a seat would throw each other out for ever, so each claims it back at most
   * once: after a kick, or by coming back from a lost connection (of a laptop that slept, say). The
   * older page is the first to have done so, and stops; the newer has not, and stays.
   */
  private yieldForAWhile(): void {
    this.returning = false;
    this.yieldsUntil = this.ports.clock.now() + YIELD_MS;
  }

  /** Throws the link away, keeps the person's tracks, and asks for a new seat. */
  private recover(delayMs?: number): void {
    this.dropLink();
    this.set({ phase: this.joinedOnce ? 'reconnecting' : 'joining', participant: null });
    // Fresh tokens were asked for already, and that answer will do.
    if (this.asking) return;
    if (delayMs === undefined) {
      this.returning = this.joinedOnce;
      this.askAfterFailure(null);
    } else this.askIn(delayMs);
  }

  private askAfterFailure(retryAfterMs: number | null): void {
    const delay = Math.max(backoff(this.attempts, this.ports.random), retryAfterMs ?? 0);
    this.attempts += 1;
    if (this.attempts >= TROUBLED_AFTER) this.set({ troubled: true });
    this.askIn(Math.min(delay, LONGEST_WAIT_MS));
  }

  private askIn(ms: number): void {
    this.cancelAsk?.();
    this.cancelAsk = this.ports.clock.after(ms, () => {
      void this.ask();
    });
  }

  private settle(): void {
    this.attempts = 0;
    this.set({ troubled: false });
  }

  private watch(link: Link): void {
    const { clock } = this.ports;
    this.cancelTick = clock.after(TICK_MS, async () => {
      const sample = await link.sample();
      if (this.link !== link) return;
      if (this.watchdog.sees(sample, clock.now())) this.recover();
      else this.watch(link);
    });
  }

  /**
   * The tokens of a link can't be renewed (janus.js keeps them to itself), so an extended call
   * moves to a new link; one that was not extended is told that it is about to end.
   */
  private watchExpiry(expiresInMs: number): void {
    const { clock } = this.ports;
    const expiresAt = clock.now() + expiresInMs;
    const near = expiresInMs <= RENEW_BEFORE_MS;
    this.set({ endsAt: near ? expiresAt : null });
    const delay = near ? expiresInMs + TICK_MS : expiresInMs - RENEW_BEFORE_MS;
    if (delay > LONGEST_TIMER_MS) return;
    this.linkTimers.push(
      clock.after(Math.max(delay, SHORTEST_WAIT_MS), () => {
        if (near) this.recover(0);
        else void this.askForMore(expiresAt);
      }),
    );
  }

  private stop(phase: Phase, reason: Reason): void {
    this.reset();
    this.set({ ...IDLE, phase, reason, host: this.state.host });
  }

  private reset(): void {
    this.stay += 1;
    this.asking = false;
    this.cancelAsk?.();
    this.cancelAsk = null;
    this.dropLink();
  }

  private dropLink(): void {
    this.cancelTick?.();
    for (const cancel of this.linkTimers.splice(0)) cancel();
    const link = this.link;
    this.link = null;
    link?.close();
  }

  private set(change: Partial<Snapshot>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener(this.state);
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
