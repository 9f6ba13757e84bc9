import { useLayoutEffect, useRef } from 'preact/hooks';

interface Props {
  id: string;
  label: string;
  stream: MediaStream | null;
  /** Our own picture: mirrored as in a mirror, and silent. */
  own?: boolean;
  /** A picture of a name is not mirrored, or it could not be read. */
  mirrored?: boolean;
  onBlocked?(): void;
}

export function Video({ id, label, stream, own = false, mirrored = false, onBlocked }: Props) {
  const element = useRef<HTMLVideoElement>(null);
  // Together with the state that the page shows: «connected» never has the last stream's picture.
  useLayoutEffect(() => {
    const video = element.current;
    if (!video || video.srcObject === stream) return;
    video.srcObject = stream;
    if (!stream) return;
    video.play().catch((error: unknown) => {
      // Any other error only says that a newer stream has taken this one's place.
      if (error instanceof DOMException && error.name === 'NotAllowedError') onBlocked?.();
    });
  }, [stream, onBlocked]);
  return (
    <video
      ref={element}
      id={id}
      class={mirrored ? 'video mirrored' : 'video'}
      aria-label={label}
      autoplay
      playsInline
      muted={own}
    />
  );
}
