import type { LocalTracks } from '../call/ports';
import { acquire, acquireOne, type Devices, type Kind, type Problem } from './acquire';
import type { Avatar } from './avatar';

export interface MediaState {
  /** False until the browser was asked, and while it asks. */
  ready: boolean;
  asking: boolean;
  mic: boolean;
  camera: boolean;
  /** The screen is shown in place of the camera. */
  screen: boolean;
  problems: Partial<Record<Kind, Problem>>;
}

interface Changes {
  /** What we send of this kind is another track now. */
  replaced(kind: Kind, track: MediaStreamTrack | null): void;
  /** There is a kind to send that we did not send before. */
  added(): void;
}

/** The person's own camera and microphone. They outlive every connection. */
export class LocalMedia {
  private audio: MediaStreamTrack | null = null;
  private video: MediaStreamTrack | null = null;
  private screen: MediaStreamTrack | null = null;
  private state: MediaState = {
    ready: false,
    asking: false,
    mic: false,
    camera: false,
    screen: false,
    problems: {},
  };
  private readonly listeners = new Set<(state: MediaState) => void>();
  changes: Changes | null = null;

  constructor(
    private readonly devices: Devices,
    private readonly avatar: Avatar,
  ) {}

  get snapshot(): MediaState {
    return this.state;
  }

  subscribe(listener: (state: MediaState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** What to send. There is always a picture, so the other always sees that somebody is there. */
  tracks(): LocalTracks {
    return { audio: this.audio, video: this.picture };
  }

  preview(): MediaStream {
    return new MediaStream([this.picture]);
  }

  async acquire(): Promise<MediaState> {
    this.set({ asking: true });
    this.stopDevices();
    const { audio, video, problems } = await acquire(this.devices);
    this.take('audio', audio);
    this.take('video', video);
    this.set({ ready: true, asking: false, mic: !!audio, camera: !!video, problems });
    return this.state;
  }

  async setMic(on: boolean): Promise<void> {
    if (!this.audio && on) {
      const { track, problem } = await acquireOne(this.devices, 'audio');
      this.take('audio', track);
      this.noteProblem('audio', problem);
      if (!track) return;
      this.changes?.added();
    }
    if (this.audio) this.audio.enabled = on;
    this.set({ mic: on && !!this.audio });
  }

  /** Off is off: the device is released and its light goes out. */
  async setCamera(on: boolean): Promise<void> {
    if (on && !this.video) {
      const { track, problem } = await acquireOne(this.devices, 'video');
      this.take('video', track);
      this.noteProblem('video', problem);
    } else if (!on) {
      this.video?.stop();
      this.video = null;
    }
    this.set({ camera: !!this.video });
    this.changes?.replaced('video', this.picture);
  }

  async setScreen(on: boolean): Promise<void> {
    this.screen?.stop();
    this.screen = null;
    if (on) {
      try {
        const [track] = (await this.devices.screen()).getVideoTracks();
        this.screen = track ?? null;
      } catch {
        // The person thought better of it.
      }
    }
    if (this.screen) {
      this.screen.contentHint = 'detail';
      // The browser has its own button to stop.
      this.screen.addEventListener('ended', () => void this.setScreen(false));
    }
    this.set({ screen: !!this.screen });
    this.changes?.replaced('video', this.picture);
  }

  release(): void {
    this.stopDevices();
    this.avatar.stop();
    this.set({ ready: false, mic: false, camera: false, screen: false, problems: {} });
  }

  private get picture(): MediaStreamTrack {
    return this.screen ?? this.video ?? this.avatar.track;
  }

  private take(kind: Kind, track: MediaStreamTrack | null): void {
    this[kind] = track;
    track?.addEventListener('ended', () => this.lost(kind, track));
  }

  /** Unplugged, or taken away by the system. `stop()` of ours does not come here. */
  private lost(kind: Kind, track: MediaStreamTrack): void {
    if (this[kind] !== track) return;
    this[kind] = null;
    this.noteProblem(kind, 'lost');
    if (kind === 'audio') {
      this.set({ mic: false });
    } else {
      this.set({ camera: false });
      this.changes?.replaced('video', this.picture);
    }
  }

  private noteProblem(kind: Kind, problem: Problem | null): void {
    const { [kind]: _, ...others } = this.state.problems;
    this.set({ problems: problem ? { ...others, [kind]: problem } : others });
  }

  private stopDevices(): void {
    this.audio?.stop();
    this.video?.stop();
    this.screen?.stop();
    this.audio = null;
    this.video = null;
    this.screen = null;
  }

  private set(change: Partial<MediaState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener(this.state);
  }
}
