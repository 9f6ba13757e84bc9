import type { Phase, Reason, Snapshot } from '../../call/snapshot';
import type { Key } from '../../i18n';
import type { MediaState } from '../../media/localMedia';

export const STATUS: Record<Phase, Key> = {
  idle: 'statusIdle',
  waiting: 'statusWaiting',
  starting: 'statusStarting',
  joining: 'statusJoining',
  waiting_peer: 'statusWaitingPeer',
  connected: 'statusConnected',
  reconnecting: 'statusReconnecting',
  ended: 'statusEnded',
  full: 'statusFull',
  denied: 'statusDenied',
  error: 'statusError',
};

interface Ending {
  title: Key;
  help: Key;
  /** Whether it makes sense to try again. */
  again: boolean;
}

export const ENDINGS: Record<Reason, Ending> = {
  left: { title: 'leftTitle', help: 'leftHelp', again: true },
  ended_for_all: { title: 'endedTitle', help: 'endedHelp', again: false },
  replaced: { title: 'replacedTitle', help: 'replacedHelp', again: true },
  ended_by_host: { title: 'endedByHostTitle', help: 'endedByHostHelp', again: false },
  booking_over: { title: 'overTitle', help: 'overHelp', again: false },
  booking_cancelled: { title: 'cancelledTitle', help: 'cancelledHelp', again: false },
  invite_invalid: { title: 'inviteInvalidTitle', help: 'inviteInvalidHelp', again: false },
  invite_revoked: { title: 'inviteRevokedTitle', help: 'inviteRevokedHelp', again: false },
  signed_out: { title: 'signedOutTitle', help: 'signedOutHelp', again: false },
  not_found: { title: 'notFoundTitle', help: 'notFoundHelp', again: false },
  forbidden: { title: 'forbiddenTitle', help: 'forbiddenHelp', again: false },
  broken: { title: 'brokenTitle', help: 'brokenHelp', again: true },
};

export function startingHelp(snapshot: Snapshot): Key {
  if (snapshot.roomState === 'retrying') return 'startingRetrying';
  return snapshot.roomState === 'waiting' ? 'startingWaiting' : 'startingHelp';
}

/** One sentence about the devices; when both have the same problem, about both. */
export function mediaMessage({ problems }: MediaState): Key | null {
  const { audio, video } = problems;
  if (audio && audio === video && audio !== 'lost') {
    return { denied: 'mediaDenied', missing: 'mediaMissing', busy: 'mediaBusy' }[audio] as Key;
  }
  if (video) {
    return {
      denied: 'mediaDeniedCamera',
      missing: 'mediaMissingCamera',
      busy: 'mediaBusyCamera',
      lost: 'mediaLostCamera',
    }[video] as Key;
  }
  if (audio) {
    return {
      denied: 'mediaDeniedMic',
      missing: 'mediaMissingMic',
      busy: 'mediaBusyMic',
      lost: 'mediaLostMic',
    }[audio] as Key;
  }
  return null;
}
