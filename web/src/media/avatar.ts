const WIDTH = 640;
const HEIGHT = 360;
const REDRAW_MS = 500;

/**
 * A picture of a name, sent while the camera is off or missing. The camera can then really be
 * switched off, and the other person sees somebody there instead of a black or frozen picture.
 */
export class Avatar {
  private readonly canvas = document.createElement('canvas');
  private timer: ReturnType<typeof setInterval> | null = null;
  private made: MediaStreamTrack | null = null;

  constructor(private readonly name: () => string) {}

  get track(): MediaStreamTrack {
    if (this.made) return this.made;
    this.canvas.width = WIDTH;
    this.canvas.height = HEIGHT;
    this.draw();
    const [track] = this.canvas.captureStream(2).getVideoTracks();
    if (!track) throw new Error('a canvas gave no track');
    // A canvas gives a frame only when it is drawn on, and the stream must not fall silent.
    this.timer = setInterval(() => this.draw(), REDRAW_MS);
    this.made = track;
    return track;
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.made?.stop();
    this.made = null;
  }

  private draw(): void {
    const pen = this.canvas.getContext('2d');
    if (!pen) return;
    pen.fillStyle = '#1d2b33';
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    pen.fillStyle = '#0f766e';
    pen.beginPath();
    pen.arc(WIDTH / 2, HEIGHT / 2, 84, 0, Math.PI * 2);
    pen.fill();
    pen.fillStyle = '#ffffff';
    const letter = initial(this.name());
    if (letter === null) {
      this.drawSomebody(pen);
      return;
    }
    pen.font = '600 76px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillText(letter, WIDTH / 2, HEIGHT / 2 + 4);
  }

  /** Head and shoulders, for one without a name. */
  private drawSomebody(pen: CanvasRenderingContext2D): void {
    pen.beginPath();
    pen.arc(WIDTH / 2, HEIGHT / 2 - 22, 26, 0, Math.PI * 2);
    pen.fill();
    pen.beginPath();
    pen.ellipse(WIDTH / 2, HEIGHT / 2 + 54, 46, 38, 0, Math.PI, 0);
    pen.fill();
  }
}

export function initial(name: string): string | null {
  return [...name.trim()][0]?.toUpperCase() ?? null;
}
