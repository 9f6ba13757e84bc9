import { backoff } from './backoff';
import { type Booked, closed } from './booked';
import type { JoinOutcome, Refusal } from './grant';
import type { CallStats, Link, LinkFailure, Ports } from './ports';
import { IDLE, type Phase, type Reason, type Snapshot } from './snapshot';
import { Term } from './term';
import { Watchdog } from './watchdog';

const TICK_MS = 1000;
/** A connection that lasts this long is a good one: the next failure starts to count from zero. */
const STABLE_MS = 10_000;
/** While waiting we ask now and then: the booking may be cancelled or moved. */
const LONGEST_WAIT_MS = 60_000;
const SHORTEST_WAIT_MS = 1000;
const FULL_POLL_MS = 10_000;
const YIELD_MS = 30_000;
const TROUBLED_AFTER = 3;
/** Whoever moves to a new connection is back before that. */
const PEER_BACK_MS = 4000;
/**
 * After we lost the connection and came back, the other may be no more than late: of a server that
 * is gone the one hears at once, the other by its silence, five seconds later.
 */
export const PEER_RETURN_MS = 8000;
/** So long we wait to hear that the booking is over before we say that the connection is lost. */
const INQUIRY_MS = 2000;

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
  private readonly term: Term;
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
  private cancelHold: (() => void) | null = null;
  private linkTimers: (() => void)[] = [];

  constructor(private readonly ports: Ports) {
    this.term = new Term(ports, {
      changed: (ends) => this.set({ ends }),
      outgrown: () => void this.move(),
      expired: () => void this.inquire(() => this.recover(0)),
      finished: (why) => this.stop('ended', why),
    });
  }

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
    this.term.forget();
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

  /** The API says that this person can't enter, before we asked for a seat. */
  refuse(why: Refusal): void {
    this.stop('denied', why);
  }

  /** Does at once what a timer waits to do: the network is back, or the person is impatient. */
  hurry(): void {
    if (!this.cancelAsk) return;
    this.cancelAsk();
    this.ask();
  }

  /** The person is back, say: how the booking fares is asked for now. */
  glance(): void {
    this.term.glance();
  }

  /** Moves to a new link, for what we offer has changed in kind. */
  renew(): void {
    if (this.link) this.recover(0);
  }

  /** We have just changed the booking ourselves: there is no need to ask how it fares. */
  learn(booked: Booked): void {
    if (this.underway) this.term.learn(booked);
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
  private async move(): Promise<void> {
    if (this.asking || !this.link) return;
    const stay = this.stay;
    this.asking = true;
    this.set({ moving: true });
    const outcome = await this.ports.join();
    if (stay !== this.stay) return;
    this.asking = false;
    if (this.link && outcome.kind !== 'granted') {
      this.set({ moving: false });
      this.term.moveLater('retryAfterMs' in outcome ? outcome.retryAfterMs : null);
      return;
    }
    this.dropLink();
    this.answer(outcome);
  }

  private answer(outcome: JoinOutcome): void {
    const underway: Phase = this.joinedOnce ? 'reconnecting' : 'joining';
    this.set({ throttledUntil: null, moving: this.state.moving && outcome.kind === 'granted' });
    switch (outcome.kind) {
      case 'granted':
        this.set({ phase: underway, opensAt: null, roomState: null });
        if (this.returning) this.yieldForAWhile();
        this.connect(outcome);
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
      case 'throttled':
        this.set({
          phase: underway,
          throttledUntil: this.ports.clock.now() + outcome.retryAfterMs,
        });
        this.askIn(outcome.retryAfterMs);
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

  private connect({ grant, ...ends }: Extract<JoinOutcome, { kind: 'granted' }>): void {
    const { clock } = this.ports;
    const ownIds = this.ports.own(grant.participant_id);
    this.watchdog.restart();
    this.set({ participant: grant.participant_id, host: grant.host });

    const link = this.ports.connect(
      { grant, ownIds, tracks: this.ports.tracks() },
      {
        joined: (expecting) => {
          if (this.link !== link) return;
          this.joinedOnce = true;
          if (!expecting) this.alone();
          this.linkTimers.push(clock.after(STABLE_MS, () => this.settle()));
          this.watch(link);
        },
        peer: (name, back) => {
          if (this.link !== link) return;
          if (name === null) this.alone(back);
          else {
            this.cancelHold?.();
            this.set({ peerName: name });
          }
        },
        media: (remote) => {
          if (this.link === link)
            this.set({ phase: 'connected', remote, met: true, moving: false, held: false });
        },
        failed: (why) => {
          if (this.link === link) this.lost(why);
        },
      },
    );
    this.link = link;
    this.term.begin({ ...ends, end_time: grant.end_time });
  }

  /** Nobody else is here. Whoever will be back soon is not said to have gone. */
  private alone(back = false): void {
    const say = () => {
      const nobody = { remote: null, peerName: null, moving: false, held: false };
      this.set({ phase: 'waiting_peer', ...nobody });
      // Or they were shown out: the booking tells.
      this.glance();
    };
    this.cancelHold?.();
    const patience = this.patience(back);
    if (patience === 0) {
      say();
      return;
    }
    this.set({ held: true });
    this.cancelHold = this.ports.clock.after(patience, say);
    this.linkTimers.push(this.cancelHold);
  }

  /** How long the other may be away before we say that they have gone. */
  private patience(back: boolean): number {
    const { phase, remote, moving } = this.state;
    // There was nobody to come back.
    if (remote === null) return 0;
    // Both move to a longer call at the same time.
    if (moving) return PEER_BACK_MS;
    if (phase === 'reconnecting') return PEER_RETURN_MS;
    return back ? PEER_BACK_MS : 0;
  }

  private lost(why: LinkFailure): void {
    // While fresh tokens are asked for, the API throws our old participant out: all is well.
    if (this.asking) this.recover();
    else if (why === 'kicked') void this.inquire(() => this.thrownOut());
    else if (why === 'room_gone') void this.inquire(() => this.recover());
    else this.recover();
  }

  /**
   * The room is gone, we are no longer wanted there, or our tokens have expired: that is how a call
   * ends. Only when the booking goes on have we lost anything.
   */
  private async inquire(lost: () => void): Promise<void> {
    this.dropLink();
    this.set({ participant: null });
    const goOn = () => {
      cancel();
      this.cancelAsk = null;
      lost();
    };
    const cancel = this.ports.clock.after(INQUIRY_MS, goOn);
    this.cancelAsk = cancel;
    const looked = await this.ports.look();
    if (this.cancelAsk !== cancel) return;
    const over = looked.kind === 'booked' ? closed(looked.booked) : null;
    if (over) this.stop('ended', over);
    else goOn();
  }

  private thrownOut(): void {
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
    const phase = this.joinedOnce ? 'reconnecting' : 'joining';
    this.set({ phase, participant: null, held: false });
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

  private stop(phase: Phase, reason: Reason): void {
    this.reset();
    this.term.forget();
    const { host } = this.state;
    const own = host && reason === 'ended_by_host';
    this.set({ ...IDLE, phase, reason: own ? 'ended_for_all' : reason, host });
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
    this.cancelHold = null;
    this.term.pause();
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
