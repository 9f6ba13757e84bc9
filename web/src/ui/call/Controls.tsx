import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { canShareScreen } from '../../media/acquire';
import type { LocalMedia, MediaState } from '../../media/localMedia';
import { HangUpIcon, ScreenIcon } from '../icons';
import { DeviceButtons } from './DeviceButtons';

interface Props {
  media: LocalMedia;
  state: MediaState;
  host: boolean;
  onHangUp(): void;
  onEndForAll(): Promise<boolean>;
}

export function Controls({ media, state, host, onHangUp, onEndForAll }: Props) {
  const [ending, setEnding] = useState(false);
  const [failed, setFailed] = useState(false);

  const screenLabel = t(state.screen ? 'screenOff' : 'screenOn');
  const endForAll = async () => {
    if (ending) return;
    setEnding(true);
    setFailed(!(await onEndForAll()));
    setEnding(false);
  };

  return (
    <div class="controls">
      {failed && (
        <p class="notice" role="alert">
          {t('endForAllFailed')}
        </p>
      )}
      <div class="controls-row" role="toolbar" aria-label={t('controls')}>
        <DeviceButtons media={media} state={state} />
        {canShareScreen() && (
          <button
            type="button"
            class={state.screen ? 'round active' : 'round'}
            data-testid="share-screen"
            aria-label={screenLabel}
            title={screenLabel}
            onClick={() => void media.setScreen(!state.screen)}
          >
            <ScreenIcon />
          </button>
        )}
        <button
          type="button"
          class="round danger"
          data-testid="hang-up"
          aria-label={t('hangUp')}
          title={t('hangUp')}
          onClick={onHangUp}
        >
          <HangUpIcon />
        </button>
      </div>
      {host && (
        <button
          type="button"
          class="button end-all"
          data-testid="end-for-all"
          disabled={ending}
          onClick={() => void endForAll()}
        >
          {t('endForAll')}
        </button>
      )}
    </div>
  );
}
