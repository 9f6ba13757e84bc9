import type { Clock } from '../../clock';

const DISCONNECTED_MS = 5000;
const CONNECT_MS = 15_000;

/** Watches the ICE state of one peer connection and says, once, when it is beyond hope. */
export class PcHealth {
  private cancel: () => void;

  constructor(
    private readonly clock: Clock,
    private readonly dead: (why: 'ice' | 'timeout') => void,
  ) {
    this.cancel = clock.after(CONNECT_MS, () => dead('timeout'));
  }

  state(ice: RTCIceConnectionState): void {
    if (ice === 'connected' || ice === 'completed') {
      this.stop();
    } else if (ice === 'failed') {
      this.stop();
      this.dead('ice');
    } else if (ice === 'disconnected') {
      this.stop();
      this.cancel = this.clock.after(DISCONNECTED_MS, () => this.dead('ice'));
    }
  }

  stop(): void {
    this.cancel();
    this.cancel = () => {};
  }
}
