import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import type { LocalMedia, MediaState } from '../../media/localMedia';
import { DeviceButtons } from './DeviceButtons';
import { mediaMessage } from './texts';
import { usePreview } from './usePreview';
import { Video } from './Video';

interface Props {
  media: LocalMedia;
  state: MediaState;
  /** A guest may say who they are; whoever booked is known. */
  asksName: boolean;
  onJoin(name: string): void;
}

export function PreJoin({ media, state, asksName, onJoin }: Props) {
  const [name, setName] = useState('');
  const preview = usePreview(media, state);
  const problem = mediaMessage(state);
  const nothing = state.ready && !state.mic && !state.camera && problem !== null;

  const submit = (event: Event) => {
    event.preventDefault();
    onJoin(name.trim());
  };

  return (
    <form class="card prejoin" onSubmit={submit}>
      <h1>{t('preJoinTitle')}</h1>
      <div class="preview">
        <Video id="local-video" label={t('preview')} stream={preview} own mirrored={state.camera} />
        {state.asking && <p class="preview-note">{t('askingMedia')}</p>}
        {state.ready && (
          <div class="preview-buttons">
            <DeviceButtons media={media} state={state} />
          </div>
        )}
      </div>
      {problem ? (
        <p class="problem" role="alert">
          {t(problem)}
        </p>
      ) : (
        <p class="muted">{t('preJoinWhy')}</p>
      )}
      {asksName && (
        <label class="field">
          <span>{t('displayName')}</span>
          <input
            class="input"
            data-testid="display-name"
            autocomplete="name"
            maxLength={60}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
      )}
      <button
        type="submit"
        class="button primary wide big"
        data-testid="join"
        disabled={!state.ready}
      >
        {t(nothing ? 'joinWithout' : 'join')}
      </button>
      {nothing && (
        <button type="button" class="button wide" onClick={() => void media.acquire()}>
          {t('allowMedia')}
        </button>
      )}
    </form>
  );
}
