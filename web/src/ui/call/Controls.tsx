import { useEffect, useRef, useState } from 'preact/hooks';
import type { Ends } from '../../call/term';
import { t } from '../../i18n';
import { canShareScreen } from '../../media/acquire';
import type { LocalMedia, MediaState } from '../../media/localMedia';
import { focusUnlessElsewhere } from '../focus';
import { useNow } from '../hooks';
import { ClockIcon, HangUpIcon, ScreenIcon } from '../icons';
import { DeviceButtons } from './DeviceButtons';
import { EndForAll } from './EndForAll';
import { Extend } from './Extend';
import type { Host } from './useHost';

interface Props {
  media: LocalMedia;
  state: MediaState;
  /** Null for a guest, and before we are in. */
  host: Host | null;
  ends: Ends | null;
  onHangUp(): void;
}

export function Controls({ media, state, host, ends, onHangUp }: Props) {
  const [extending, setExtending] = useState(false);
  const screenLabel = t(state.screen ? 'screenOff' : 'screenOn');
  const now = useNow(host !== null);
  // Once its time has passed, the call has its grace and no more.
  const running = ends !== null && now < ends.bookedAt ? ends : null;

  const clock = useRef<HTMLButtonElement>(null);
  const hangUp = useRef<HTMLButtonElement>(null);
  const open = extending && host !== null && running !== null;

  // Also when the time runs out meanwhile, and the clock goes with it.
  useEffect(() => {
    if (!open) return;
    return () => focusUnlessElsewhere(clock.current, hangUp.current);
  }, [open]);

  return (
    <div class="controls">
      {open && <Extend ends={running} host={host} onClose={() => setExtending(false)} />}
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
        {host && running && (
          <button
            ref={clock}
            type="button"
            class={extending ? 'round active' : 'round'}
            data-testid="extend"
            aria-label={t('extend')}
            aria-expanded={extending}
            title={t('extend')}
            onClick={() => setExtending(!extending)}
          >
            <ClockIcon />
          </button>
        )}
        <button
          ref={hangUp}
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
      {host && <EndForAll host={host} />}
    </div>
  );
}
