import Janus, { type JanusJS } from 'janus-gateway';
import adapter from 'webrtc-adapter';

/**
 * janus.js hides its socket and, asked to destroy a session that was never made or a server that
 * hangs, leaves it open. We keep the socket in order to close it ourselves.
 */
let newest: WebSocket | null = null;

class KeptSocket extends WebSocket {
  constructor(url: string, protocol: string) {
    super(url, protocol);
    newest = this;
  }
}

export function initJanus(): void {
  Janus.init({
    // Its "debug" level would print whole requests, tokens included.
    debug: ['error'] as unknown as JanusJS.DebugLevel[],
    dependencies: Janus.useDefaultDependencies({
      adapter,
      WebSocket: KeptSocket as unknown as JanusJS.Dependencies['WebSocket'],
    }),
  });
}

export const isSupported = (): boolean =>
  window.isSecureContext && Janus.isWebrtcSupported() && 'mediaDevices' in navigator;

export interface OpenSession {
  attach(options: JanusJS.PluginOptions): void;
  /** Closes at once, whatever the state: Janus frees a session whose socket is gone. */
  close(): void;
}

export function openSession(options: JanusJS.ConstructorOptions): OpenSession {
  newest = null;
  let janus: Janus | null = null;
  try {
    janus = new Janus({
      keepAlivePeriod: 15_000,
      // It would listen to `beforeunload`, which also fires for pages that stay.
      destroyOnUnload: false,
      ...options,
    });
  } catch (error) {
    // The browser refuses the very address: a bad one, or ws: from a page that is https:.
    options.error?.(error);
  }
  const socket = newest as WebSocket | null;
  return {
    attach: (plugin) => janus?.attach(plugin),
    close() {
      // `unload` is the way to end a session without waiting for a server that may never answer.
      janus?.destroy({ unload: true, notifyDestroyed: false, cleanupHandles: true });
      socket?.close();
    },
  };
}
