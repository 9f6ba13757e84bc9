import Janus, { type JanusJS } from 'janus-gateway';
import adapter from 'webrtc-adapter';

export interface ChannelOptions {
  /** `ws:` or `wss:` for a WebSocket, `http:` or `https:` for long polling. */
  server: string;
  token: string;
  iceServers: RTCIceServer[];
  success(): void;
  error(error: unknown): void;
  destroyed(): void;
}

/** A session of janus.js over one transport. */
export interface Channel {
  attach(options: JanusJS.PluginOptions): void;
  /** Closes at once, whatever the state. */
  close(): void;
}

/**
 * janus.js hides what it has open and, asked to destroy a session that was never made or a server
 * that hangs, leaves it open. So we keep it, in order to close it ourselves: a socket, or the
 * requests. A poll lasts for up to 30 s, even when its session has ended, and browsers have six
 * connections to one server.
 */
class KeptChannel implements Channel {
  private janus: Janus | null = null;
  private socket: WebSocket | null = null;
  private readonly requests = new AbortController();

  constructor(private readonly options: ChannelOptions) {
    channels.add(this);
    making = this;
    try {
      this.janus = new Janus({
        keepAlivePeriod: 15_000,
        // It would listen to `beforeunload`, which also fires for pages that stay.
        destroyOnUnload: false,
        ...options,
      });
    } catch (error) {
      // The browser refuses the very address: a bad one, or ws: from a page that is https:.
      options.error(error);
    } finally {
      making = null;
    }
  }

  attach(plugin: JanusJS.PluginOptions): void {
    this.janus?.attach(plugin);
  }

  close(): void {
    // `unload` is the way to end a session without waiting for a server that may never answer. Over
    // HTTP it sends a beacon, which outlives the page; Janus frees the session of a closed socket.
    this.janus?.destroy({ unload: true, notifyDestroyed: false, cleanupHandles: true });
    this.socket?.close();
    this.requests.abort();
    channels.delete(this);
  }

  keep(socket: WebSocket): void {
    this.socket = socket;
  }

  /** Whether the session, which has its id in the path, is ours. */
  asks(url: string): boolean {
    const session = `${this.options.server}/${this.janus?.getSessionId()}`;
    return url.startsWith(session) && ['', '/', '?'].includes(url.charAt(session.length));
  }

  fetch(url: string, init?: RequestInit): Promise<Response> {
    return fetch(url, { ...init, signal: this.requests.signal });
  }
}

const channels = new Set<KeptChannel>();
/** Whose constructor runs: what janus.js opens now, before there is a session, is of this one. */
let making: KeptChannel | null = null;

class KeptSocket extends WebSocket {
  constructor(url: string, protocol: string) {
    super(url, protocol);
    making?.keep(this);
  }
}

function keptFetch(url: string, init?: RequestInit): Promise<Response> {
  const owner = making ?? [...channels].find((channel) => channel.asks(url));
  return owner?.fetch(url, init) ?? Promise.reject(new Error('the session is closed'));
}

export function initJanus(): void {
  Janus.init({
    // Its "debug" level would print whole requests, tokens included.
    debug: ['error'] as unknown as JanusJS.DebugLevel[],
    dependencies: Janus.useDefaultDependencies({
      adapter,
      WebSocket: KeptSocket as unknown as JanusJS.Dependencies['WebSocket'],
      fetch: keptFetch as typeof fetch,
    }),
  });
}

export const isSupported = (): boolean =>
  window.isSecureContext && Janus.isWebrtcSupported() && 'mediaDevices' in navigator;

export function openChannel(options: ChannelOptions): Channel {
  return new KeptChannel(options);
}
