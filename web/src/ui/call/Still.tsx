import { useEffect, useRef } from 'preact/hooks';

const EVERY_MS = 500;
/** Enough for a moment; a larger one would cost more. */
const MOST_WIDTH = 640;

/**
 * The last picture of the other, for while there is no other: a video whose tracks have ended is
 * black, and would look like a loss.
 */
export function Still({ shown }: { shown: boolean }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (shown) return;
    const timer = setInterval(() => draw(canvas.current), EVERY_MS);
    return () => clearInterval(timer);
  }, [shown]);
  return <canvas ref={canvas} class="video still" hidden={!shown} />;
}

function draw(canvas: HTMLCanvasElement | null): void {
  const video = document.querySelector<HTMLVideoElement>('#remote-video');
  if (!canvas || !video || !isLive(video)) return;
  const scale = Math.min(1, MOST_WIDTH / video.videoWidth);
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
}

function isLive({ srcObject, videoWidth }: HTMLVideoElement): boolean {
  if (!(srcObject instanceof MediaStream) || videoWidth === 0) return false;
  return srcObject.getVideoTracks().some((track) => track.readyState === 'live' && !track.muted);
}
