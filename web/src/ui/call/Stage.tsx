import { useCallback, useState } from 'preact/hooks';
import type { Snapshot } from '../../call/call';
import { t } from '../../i18n';
import { countdown } from '../../i18n/time';
import type { LocalMedia, MediaState } from '../../media/localMedia';
import { useForAWhile, useNow, useOnline, useWakeLock } from '../hooks';
import { InviteLink } from '../InviteLink';
import { Controls } from './Controls';
import { mediaMessage } from './texts';
import { usePreview } from './usePreview';
import { Video } from './Video';

interface Props {
  snapshot: Snapshot;
  media: LocalMedia;
  mediaState: MediaState;
  inviteUrl: string | null;
  onHangUp(): void;
  onEndForAll(): Promise<boolean>;
}

/** The call itself: the other large, oneself in a corner, the controls below. */
export function Stage({ snapshot, media, mediaState, inviteUrl, onHangUp, onEndForAll }: Props) {
  const [blocked, setBlocked] = useState(false);
  const preview = usePreview(media, mediaState);
  const noteBlocked = useCallback(() => setBlocked(true), []);
  useWakeLock(true);

  const unblock = () => {
    setBlocked(false);
    void document.querySelector<HTMLVideoElement>('#remote-video')?.play();
  };
  const { phase, peerName } = snapshot;
  const name = peerName || t('other');

  return (
    <div class="stage" data-phase={phase}>
      <div class="remote">
        <Video
          id="remote-video"
          label={t('otherVideo')}
          stream={snapshot.remote}
          onBlocked={noteBlocked}
        />
        {phase === 'connected' && <span class="nametag">{name}</span>}
        {phase === 'waiting_peer' && (
          <div class="stage-note">
            <span class="pulse" aria-hidden="true" />
            <h1>{t('statusWaitingPeer')}</h1>
            <p>{t('waitingPeerHelp')}</p>
            {inviteUrl && (
              <>
                <p>{t('inviteHint')}</p>
                <InviteLink url={inviteUrl} />
              </>
            )}
          </div>
        )}
        {(phase === 'joining' || phase === 'reconnecting') && (
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
        host={snapshot.host}
        onHangUp={onHangUp}
        onEndForAll={onEndForAll}
      />
    </div>
  );
}

function Notices({ snapshot, mediaState }: { snapshot: Snapshot; mediaState: MediaState }) {
  const online = useOnline();
  const now = useNow(snapshot.endsAt !== null);
  const device = useForAWhile(mediaMessage(mediaState));
  return (
    <div class="notices" role="status" aria-live="polite">
      {!online && <p class="notice">{t('offline')}</p>}
      {online && snapshot.troubled && <p class="notice">{t('troubled')}</p>}
      {snapshot.endsAt !== null && (
        // Each second would be read out aloud.
        <p class="notice" aria-live="off">
          {t('endsSoon', { time: countdown(snapshot.endsAt - now) })}
        </p>
      )}
      {device && <p class="notice">{t(device)}</p>}
    </div>
  );
}
