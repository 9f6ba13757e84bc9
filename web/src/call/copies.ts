/**
 * Two tabs may share one seat: those of whoever booked, and those that the browser duplicated (they
 * have the same storage, hence the same nonce). The newest takes the call; the others learn it here
 * and let go, before the server throws them out. Tabs of another browser learn it by that.
 */
export class Copies {
  private readonly channel: BroadcastChannel | null;

  constructor(seat: string, taken: () => void) {
    this.channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel(`suroga.${seat}`) : null;
    if (this.channel) this.channel.onmessage = taken;
  }

  takeOver(): void {
    this.channel?.postMessage('taken');
  }

  close(): void {
    this.channel?.close();
  }
}
