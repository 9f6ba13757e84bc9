import type { JanusJS } from 'janus-gateway';
import type { Clock } from '../../clock';
import type { CallStats, Link, LinkEvents, LinkFailure, LinkRequest, Sample } from '../ports';
import { Heartbeat } from './heartbeat';
import { PcHealth } from './pcHealth';
import { OpenSession, type Transports } from './session';
import { callStatsOf, sampleOf } from './stats';
import { Subscription } from './subscription';
import { type Entry, feedKey, type RoomMessage, Roster } from './videoroom';

const JOIN_MS = 10_000;
/** After Janus closes what we receive, the news that the other left is on its way. */
const GONE_MS = 2000;

/** One stay of ours in a Janus room: a session, a handle to publish, and one to receive. */
export class JanusLink implements Link {
  private readonly session: OpenSession;
  private readonly entry: Entry;
  private readonly roster: Roster;
  private readonly heartbeat: Heartbeat;
  private publisher: JanusJS.PluginHandle | null = null;
  private health: PcHealth | null = null;
  private subscription: { key: string; feed: number; to: Subscription } | null = null;
  private privateId: number | undefined;
  private timers: (() => void)[] = [];
  private closed = false;

  constructor(
    private readonly request: LinkRequest,
    private readonly events: LinkEvents,
    private readonly clock: Clock,
    transports: Transports,
  ) {
    const { grant, ownIds } = request;
    this.entry = { room: grant.room_id, pin: grant.pin, token: grant.room_token };
    this.roster = new Roster(ownIds);
    this.heartbeat = new Heartbeat(
      clock,
      (answered) => this.ping(answered),
      () => this.fail('silent'),
    );
    this.timers.push(clock.after(JOIN_MS, () => this.fail('timeout', 'join')));
    const session = {
      servers: grant.janus_urls,
      token: grant.session_token,
      iceServers: grant.ice_servers,
      success: () => this.attach(),
      error: (error: unknown) => this.fail('socket', String(error)),
      destroyed: () => this.fail('janus', 'destroyed'),
    };
    this.session = new OpenSession(session, transports, clock);
  }

  sample(): Promise<Sample> {
    return sampleOf(this.publisher?.webrtcStuff.pc, this.subscription?.to.pc);
  }

  stats(): Promise<CallStats> {
    return callStatsOf(this.subscription?.to.pc);
  }

  replaceTrack(kind: 'audio' | 'video', track: MediaStreamTrack | null): void {
    const pc = this.publisher?.webrtcStuff.pc;
    const sender = pc
      ?.getTransceivers()
      .find((transceiver) => transceiver.receiver.track.kind === kind)?.sender;
    // It fails only when the connection is closing, and the next one gets the new track anyway.
    sender?.replaceTrack(track).catch(() => {});
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.heartbeat.stop();
    this.health?.stop();
    for (const cancel of this.timers.splice(0)) cancel();
    this.subscription?.to.close();
    this.publisher?.send({ message: { request: 'leave' } });
    this.session.close();
  }

  private attach(): void {
    if (this.closed) return;
    this.session.attach({
      plugin: 'janus.plugin.videoroom',
      success: (handle) => this.join(handle),
      error: (error) => this.fail('janus', error),
      onmessage: (message, jsep) => this.onMessage(message as RoomMessage, jsep),
      iceState: (state) => this.health?.state(state as RTCIceConnectionState),
      webrtcState: (up) => {
        if (!up) this.fail('hangup');
      },
      ondetached: () => this.fail('janus', 'detached'),
    });
  }

  private join(handle: JanusJS.PluginHandle): void {
    if (this.closed) return;
    this.publisher = handle;
    const { grant } = this.request;
    handle.send({
      message: {
        request: 'join',
        ptype: 'publisher',
        ...this.entry,
        id: grant.participant_id,
        display: grant.display,
      },
      error: (error) => this.fail('janus', error),
    });
  }

  private onMessage(message: RoomMessage, jsep?: JanusJS.JSEP): void {
    if (this.closed) return;
    if (message.error_code !== undefined) {
      this.fail('refused', String(message.error_code));
      return;
    }
    if (message.videoroom === 'destroyed') {
      this.fail('room_gone');
      return;
    }
    if (message.leaving === 'ok') {
      this.fail(message.reason === 'kicked' ? 'kicked' : 'janus', message.reason);
      return;
    }
    for (const id of [message.leaving, message.unpublished, message.kicked]) {
      if (typeof id === 'number') this.roster.remove(id);
    }
    if (message.publishers) this.roster.add(message.publishers);
    if (message.videoroom === 'joined') this.onJoined(message);
    // Thrown out was their older connection, by the API and for a newer one of theirs.
    this.follow(message.kicked !== undefined && message.kicked === this.subscription?.feed);
    if (jsep) {
      this.publisher?.handleRemoteJsep({ jsep, error: (error) => this.fail('janus', error) });
    }
  }

  private onJoined(message: RoomMessage): void {
    this.privateId = message.private_id;
    for (const cancel of this.timers.splice(0)) cancel();
    this.heartbeat.start();
    this.publish();
    this.events.joined(this.roster.other !== null);
  }

  private publish(): void {
    const { audio, video } = this.request.tracks;
    const tracks: JanusJS.TrackOption[] = [];
    // The tracks are the person's, not the session's: they must outlive it.
    if (audio) tracks.push({ type: 'audio', capture: audio, recv: false, dontStop: true });
    if (video) tracks.push({ type: 'video', capture: video, recv: false, dontStop: true });
    if (tracks.length === 0) return;
    this.health = new PcHealth(this.clock, (why) => this.fail(why, 'publisher'));
    this.publisher?.createOffer({
      tracks,
      success: (offer) => {
        if (this.closed) return;
        this.publisher?.send({
          message: { request: 'publish' },
          jsep: offer,
          error: (error) => this.fail('janus', error),
        });
      },
      error: (error) => this.fail('janus', String(error)),
    });
  }

  /** Receives whoever is the other person now. */
  private follow(back: boolean): void {
    const other = this.roster.other;
    const key = other ? feedKey(other) : null;
    if (key === (this.subscription?.key ?? null)) return;
    this.subscription?.to.close();
    this.subscription = null;
    if (other) this.events.peer(other.display ?? '');
    else this.events.peer(null, back);
    if (!other || key === null) return;
    const to: Subscription = new Subscription({
      session: this.session,
      clock: this.clock,
      entry: this.entry,
      feed: other.id,
      privateId: this.privateId,
      media: (stream) => {
        if (this.subscription?.to === to) this.events.media(stream);
      },
      failed: (why, detail) => {
        if (this.subscription?.to === to) this.fail(why, detail);
      },
      gone: () => this.onGone(to),
    });
    this.subscription = { key, feed: other.id, to };
  }

  private onGone(to: Subscription): void {
    this.timers.push(
      this.clock.after(GONE_MS, () => {
        // The other is still said to publish, and yet we do not receive.
        if (this.subscription?.to === to) this.fail('hangup', 'subscriber');
      }),
    );
  }

  private ping(answered: () => void): void {
    this.publisher?.send({
      message: { request: 'exists', room: this.entry.room },
      success: (reply?: { exists?: boolean }) => {
        if (this.closed) return;
        if (reply?.exists === false) this.fail('room_gone');
        else answered();
      },
      error: (error) => this.fail('janus', error),
    });
  }

  /** Tells it once, and never before the constructor has returned. */
  private fail(why: LinkFailure, detail?: string): void {
    queueMicrotask(() => {
      if (!this.closed) this.events.failed(why, detail);
    });
  }
}
