import type { JanusJS } from 'janus-gateway';
import type { Clock } from '../../clock';
import type { LinkFailure } from '../ports';
import type { Channel } from './library';
import { PcHealth } from './pcHealth';
import { type Entry, NO_SUCH_FEED, type RoomMessage } from './videoroom';

interface Options {
  session: Channel;
  clock: Clock;
  entry: Entry;
  feed: number;
  privateId: number | undefined;
  media(stream: MediaStream): void;
  failed(why: LinkFailure, detail?: string): void;
  /** Janus says that there is nothing (more) to receive. */
  gone(): void;
}

/** Receives one feed. Another feed is another subscription. */
export class Subscription {
  private handle: JanusJS.PluginHandle | null = null;
  private readonly stream = new MediaStream();
  private readonly health: PcHealth;
  private closed = false;

  constructor(private readonly options: Options) {
    this.health = new PcHealth(options.clock, (why) => this.fail(why));
    options.session.attach({
      plugin: 'janus.plugin.videoroom',
      success: (handle) => this.attached(handle),
      error: (error) => this.fail('janus', error),
      onmessage: (message, jsep) => this.onMessage(message as RoomMessage, jsep),
      onremotetrack: (track, _mid, on, metadata) => this.onTrack(track, on, metadata?.reason),
      iceState: (state) => this.onIce(state),
      webrtcState: (up) => {
        if (!up) this.gone();
      },
      ondetached: () => this.gone(),
    });
  }

  get pc(): RTCPeerConnection | null {
    return this.handle?.webrtcStuff.pc ?? null;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.health.stop();
    this.handle?.detach();
  }

  private attached(handle: JanusJS.PluginHandle): void {
    if (this.closed) {
      handle.detach();
      return;
    }
    this.handle = handle;
    const { entry, feed, privateId } = this.options;
    handle.send({
      message: {
        request: 'join',
        ptype: 'subscriber',
        ...entry,
        streams: [{ feed }],
        ...(privateId === undefined ? {} : { private_id: privateId }),
      },
      error: (error) => this.fail('janus', error),
    });
  }

  private onMessage(message: RoomMessage, jsep?: JanusJS.JSEP): void {
    if (this.closed) return;
    if (message.error_code === NO_SUCH_FEED) {
      this.gone();
    } else if (message.error_code !== undefined) {
      this.fail('refused', String(message.error_code));
    } else if (jsep) {
      this.answer(jsep);
    }
  }

  private answer(jsep: JanusJS.JSEP): void {
    this.handle?.createAnswer({
      jsep,
      tracks: [],
      success: (answer) => {
        if (this.closed) return;
        this.handle?.send({ message: { request: 'start' }, jsep: answer });
      },
      error: (error) => this.fail('janus', String(error)),
    });
  }

  private onTrack(track: MediaStreamTrack, on: boolean, reason?: string): void {
    if (this.closed) return;
    if (on) this.stream.addTrack(track);
    // A muted track comes back by itself; only an ended one is over.
    else if (reason === 'ended') this.stream.removeTrack(track);
  }

  private onIce(state: RTCIceConnectionState): void {
    if (this.closed) return;
    this.health.state(state);
    if (state === 'connected' || state === 'completed') this.options.media(this.stream);
  }

  private gone(): void {
    if (this.closed) return;
    this.close();
    this.options.gone();
  }

  private fail(why: LinkFailure, detail?: string): void {
    if (this.closed) return;
    this.options.failed(why, detail);
  }
}
