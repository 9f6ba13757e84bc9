import { useMemo } from 'preact/hooks';
import type { LocalMedia, MediaState } from '../../media/localMedia';

/** A new stream object only when there is another picture to show: each one restarts the video. */
export function usePreview(
  media: LocalMedia,
  { ready, camera, screen }: MediaState,
): MediaStream | null {
  // `camera` and `screen` are what says that the track changed.
  return useMemo(() => (ready ? media.preview() : null), [media, ready, camera, screen]);
}
