/**
 * A tab that the browser duplicates has the same storage, hence the same nonce and the same seat:
 * the two would throw each other out for ever. The newest copy takes the call; the others learn it.
 */
export class Copies {
  private readonly channel: BroadcastChannel | null;

  constructor(nonce: string, taken: () => void) {
    this.channel =
      'BroadcastChannel' in globalThis ? new BroadcastChannel(`suroga.${nonce}`) : null;
    if (this.channel) this.channel.onmessage = taken;
  }

  takeOver(): void {
    this.channel?.postMessage('taken');
  }

  close(): void {
    this.channel?.close();
  }
}
