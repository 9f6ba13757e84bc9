export type Kind = 'audio' | 'video';
export type Problem = 'denied' | 'missing' | 'busy' | 'lost';

export interface Acquired {
  audio: MediaStreamTrack | null;
  video: MediaStreamTrack | null;
  problems: Partial<Record<Kind, Problem>>;
}

export interface Devices {
  get(constraints: MediaStreamConstraints): Promise<MediaStream>;
  screen(): Promise<MediaStream>;
  /** What the browser remembers about permission, where it tells. */
  permission(kind: Kind): Promise<PermissionState | null>;
}

const WANTED: Record<Kind, MediaTrackConstraints> = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: 'user' },
};

/** Camera and microphone; when both can't be had together, whichever of them can. */
export async function acquire(devices: Devices): Promise<Acquired> {
  try {
    const stream = await devices.get({ audio: WANTED.audio, video: WANTED.video });
    return {
      audio: stream.getAudioTracks()[0] ?? null,
      video: stream.getVideoTracks()[0] ?? null,
      problems: {},
    };
  } catch (error) {
    const problem = problemOf(error);
    if (problem === 'denied' && !(await onlyOneDenied(devices))) {
      // Asking for each alone would only make the browser ask the person twice more.
      return { audio: null, video: null, problems: { audio: problem, video: problem } };
    }
    const [audio, video] = [await acquireOne(devices, 'audio'), await acquireOne(devices, 'video')];
    return {
      audio: audio.track,
      video: video.track,
      problems: {
        ...(audio.problem ? { audio: audio.problem } : {}),
        ...(video.problem ? { video: video.problem } : {}),
      },
    };
  }
}

export async function acquireOne(
  devices: Devices,
  kind: Kind,
): Promise<{ track: MediaStreamTrack | null; problem: Problem | null }> {
  try {
    const stream = await devices.get({ [kind]: WANTED[kind] });
    return { track: stream.getTracks()[0] ?? null, problem: null };
  } catch (error) {
    return { track: null, problem: problemOf(error) };
  }
}

export function problemOf(error: unknown): Problem {
  const name = error instanceof Error || error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied';
  if (name === 'NotReadableError' || name === 'AbortError') return 'busy';
  return 'missing';
}

async function onlyOneDenied(devices: Devices): Promise<boolean> {
  const audio = await devices.permission('audio');
  const video = await devices.permission('video');
  return (audio === 'denied') !== (video === 'denied');
}

/** Phones have no such thing. */
export const canShareScreen = (): boolean => 'getDisplayMedia' in navigator.mediaDevices;

export const browserDevices: Devices = {
  get: (constraints) => navigator.mediaDevices.getUserMedia(constraints),
  screen: () => navigator.mediaDevices.getDisplayMedia({ video: true }),
  async permission(kind) {
    try {
      const name = (kind === 'audio' ? 'microphone' : 'camera') as PermissionName;
      return (await navigator.permissions.query({ name })).state;
    } catch {
      return null; // Firefox and older Safari do not tell.
    }
  },
};
