import { useMemo } from 'preact/hooks';
import type { LocalMedia, MediaState } from '../../media/localMedia';

/** A new stream object only when there is another picture to show: each one restarts the video. */
export function usePreview(media: LocalMedia, { ready, camera }: MediaState): MediaStream | null {
  // `camera` is what says that the track changed.
  return useMemo(() => (ready ? media.preview() : null), [media, ready, camera]);
}
