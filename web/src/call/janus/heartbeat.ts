import type { Clock } from '../../clock';

const EVERY_MS = 5000;
const ANSWER_MS = 10_000;

/**
 * Asks Janus something small now and then. A process that hangs, or a socket whose other end has
 * vanished, says nothing at all; and somebody alone in a room has no media to notice it by.
 */
export class Heartbeat {
  private cancel: () => void = () => {};

  constructor(
    private readonly clock: Clock,
    private readonly ask: (answered: () => void) => void,
    private readonly dead: () => void,
  ) {}

  start(): void {
    this.cancel = this.clock.after(EVERY_MS, () => this.beat());
  }

  stop(): void {
    this.cancel();
    this.cancel = () => {};
  }

  private beat(): void {
    const giveUp = this.clock.after(ANSWER_MS, () => this.dead());
    this.cancel = giveUp;
    this.ask(() => {
      // An answer that comes after we stopped, or gave up, must not start it again.
      if (this.cancel !== giveUp) return;
      giveUp();
      this.start();
    });
  }
}
