import { t } from '../../i18n';
import type { LocalMedia, MediaState } from '../../media/localMedia';
import { CameraIcon, MicIcon } from '../icons';

export function DeviceButtons({ media, state }: { media: LocalMedia; state: MediaState }) {
  const micLabel = t(state.mic ? 'micOff' : 'micOn');
  const cameraLabel = t(state.camera ? 'cameraOff' : 'cameraOn');
  return (
    <>
      <button
        type="button"
        class={state.mic ? 'round' : 'round off'}
        data-testid="toggle-mic"
        aria-label={micLabel}
        title={micLabel}
        onClick={() => void media.setMic(!state.mic)}
      >
        <MicIcon off={!state.mic} />
      </button>
      <button
        type="button"
        class={state.camera ? 'round' : 'round off'}
        data-testid="toggle-camera"
        aria-label={cameraLabel}
        title={cameraLabel}
        onClick={() => void media.setCamera(!state.camera)}
      >
        <CameraIcon off={!state.camera} />
      </button>
    </>
  );
}
