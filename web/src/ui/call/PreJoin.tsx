import { useState } from 'preact/hooks';
import type { Booked } from '../../call/booked';
import { t } from '../../i18n';
import { at, span } from '../../i18n/time';
import type { LocalMedia, MediaState } from '../../media/localMedia';
import { DeviceButtons } from './DeviceButtons';
import { mediaMessage } from './texts';
import { usePreview } from './usePreview';
import { Video } from './Video';

interface Props {
  media: LocalMedia;
  state: MediaState;
  /** Null until the API has told. */
  booked: Booked | null;
  /** A guest may say who they are; whoever booked is known. */
  asksName: boolean;
  onJoin(name: string): void;
}

export function PreJoin({ media, state, booked, asksName, onJoin }: Props) {
  const [written, setWritten] = useState<string | null>(null);
  // A guest who was invited by name is asked for none, and may give another.
  const name = written ?? booked?.name ?? '';
  const preview = usePreview(media, state);
  const problem = mediaMessage(state);
  const nothing = state.ready && !state.mic && !state.camera && problem !== null;

  const submit = (event: Event) => {
    event.preventDefault();
    onJoin(name.trim());
  };

  return (
    <form class="card prejoin" onSubmit={submit}>
      <div>
        <h1>{t('preJoinTitle')}</h1>
        {booked && (
          <p class="muted" data-testid="booked-time">
            {span(new Date(booked.start_time), new Date(booked.end_time))}
          </p>
        )}
        {booked?.phase === 'scheduled' && booked.opens_at && (
          <p class="muted">{t('opensAt', { at: at(new Date(booked.opens_at)) })}</p>
        )}
      </div>
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
            onInput={(event) => setWritten(event.currentTarget.value)}
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
