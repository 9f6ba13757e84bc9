import type { ComponentChildren } from 'preact';
import { useCallback, useState } from 'preact/hooks';
import type { Snapshot } from '../../call/snapshot';
import { t } from '../../i18n';
import type { LocalMedia, MediaState } from '../../media/localMedia';
import { useWakeLock } from '../hooks';
import { Controls } from './Controls';
import { Notices } from './Notices';
import { Still } from './Still';
import type { Host } from './useHost';
import { usePreview } from './usePreview';
import { Video } from './Video';

interface Props {
  snapshot: Snapshot;
  media: LocalMedia;
  mediaState: MediaState;
  /** What lets the other in; for the host alone. */
  invites: ComponentChildren;
  host: Host | null;
  onHangUp(): void;
}

/** The call itself: the other large, oneself in a corner, the controls below. */
export function Stage(props: Props) {
  const { snapshot, media, mediaState } = props;
  const [blocked, setBlocked] = useState(false);
  const preview = usePreview(media, mediaState);
  const noteBlocked = useCallback(() => setBlocked(true), []);
  useWakeLock(true);

  const unblock = () => {
    setBlocked(false);
    void document.querySelector<HTMLVideoElement>('#remote-video')?.play();
  };
  const { phase, peerName, moving } = snapshot;
  const name = peerName || t('other');

  return (
    <div class="stage" data-phase={moving ? 'moving' : phase}>
      <div class="remote">
        <Video
          id="remote-video"
          label={t('otherVideo')}
          stream={snapshot.remote}
          onBlocked={noteBlocked}
        />
        <Still shown={phase === 'reconnecting' || snapshot.held} />
        {phase === 'connected' && <span class="nametag">{name}</span>}
        {phase === 'waiting_peer' && (
          <div class="stage-note">
            <span class="pulse" aria-hidden="true" />
            <h1>{t('statusWaitingPeer')}</h1>
            <p>{t(snapshot.met ? 'peerLeftHelp' : 'waitingPeerHelp')}</p>
            {props.invites}
          </div>
        )}
        {(phase === 'joining' || phase === 'reconnecting') && !moving && (
          <div class="stage-note">
            <span class="spinner" aria-hidden="true" />
            <h1>{t(phase === 'joining' ? 'statusJoining' : 'statusReconnecting')}</h1>
          </div>
        )}
        {blocked && (
          <button type="button" class="button primary unblock" onClick={unblock}>
            {t('unmute')}
          </button>
        )}
      </div>
      <div class="own">
        <Video
          id="local-video"
          label={t('preview')}
          stream={preview}
          own
          mirrored={mediaState.camera && !mediaState.screen}
        />
        <span class="nametag">{t('you')}</span>
      </div>
      <Notices snapshot={snapshot} mediaState={mediaState} />
      <Controls
        media={media}
        state={mediaState}
        host={snapshot.host ? props.host : null}
        ends={snapshot.ends}
        onHangUp={props.onHangUp}
      />
    </div>
  );
}
