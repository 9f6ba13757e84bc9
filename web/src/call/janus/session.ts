import type { JanusJS } from 'janus-gateway';
import type { Clock } from '../../clock';
import { type Channel, type ChannelOptions, openChannel } from './library';

/** For all but the last: a WebSocket that a network swallows is never refused. */
const OPEN_MS = 4000;

/** In which order this page tries the transports of a machine. */
export class Transports {
  private swallowed = false;

  /** As the API lists them, but what cost time in vain before comes last. */
  order(servers: readonly string[]): string[] {
    const late = (server: string) => Number(this.swallowed && server.startsWith('ws'));
    return [...servers].sort((a, b) => late(a) - late(b));
  }

  /** WebSockets gave no answer where HTTP did: so will it be on the next connection. */
  swallows(): void {
    this.swallowed = true;
  }
}

export interface SessionRequest extends Omit<ChannelOptions, 'server'> {
  servers: readonly string[];
}

/** A session over the first transport that opens one. */
export class OpenSession implements Channel {
  private channel: Channel | null = null;
  private closed = false;
  private silent = false;
  private cancel = () => {};

  constructor(
    private readonly request: SessionRequest,
    private readonly transports: Transports,
    private readonly clock: Clock,
  ) {
    this.open(transports.order(request.servers));
  }

  attach(options: JanusJS.PluginOptions): void {
    this.channel?.attach(options);
  }

  close(): void {
    this.closed = true;
    this.drop();
  }

  private open([server = '', ...others]: string[]): void {
    let current = true;
    let open = false;
    const failed = (error: unknown) => {
      if (this.closed || !current) return;
      if (open || others.length === 0) {
        this.request.error(error);
        return;
      }
      current = false;
      this.drop();
      this.open(others);
    };
    if (others.length > 0) {
      this.cancel = this.clock.after(OPEN_MS, () => {
        this.silent ||= server.startsWith('ws');
        failed('no answer');
      });
    }
    this.channel = openChannel({
      ...this.request,
      server,
      success: () => {
        if (this.closed || !current) return;
        open = true;
        this.cancel();
        if (this.silent && !server.startsWith('ws')) this.transports.swallows();
        this.request.success();
      },
      error: (error) => {
        // It may fail before `openChannel` has returned.
        if (open) failed(error);
        else queueMicrotask(() => failed(error));
      },
    });
  }

  private drop(): void {
    this.cancel();
    this.channel?.close();
    this.channel = null;
  }
}
