import { useEffect, useState } from 'preact/hooks';

/** Follows something that tells its listeners each new snapshot. */
export function useSnapshot<T>(source: {
  snapshot: T;
  subscribe(listener: (value: T) => void): () => void;
}): T {
  const [value, setValue] = useState(source.snapshot);
  useEffect(() => {
    setValue(source.snapshot);
    return source.subscribe(setValue);
  }, [source]);
  return value;
}

/** The time, told every second while somebody needs it. */
export function useNow(needed: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!needed) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [needed]);
  return now;
}

export function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = () => setOnline(navigator.onLine);
    window.addEventListener('online', update);
    window.addEventListener('offline', update);
    return () => {
      window.removeEventListener('online', update);
      window.removeEventListener('offline', update);
    };
  }, []);
  return online;
}

const A_WHILE_MS = 8000;

/** The value while it is news, then null: it was read, and is in the way. */
export function useForAWhile<T>(value: T | null): T | null {
  const [seen, setSeen] = useState<T | null>(null);
  useEffect(() => {
    if (value === null) {
      setSeen(null);
      return;
    }
    const timer = setTimeout(() => setSeen(value), A_WHILE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return value === seen ? null : value;
}

/** Keeps the screen of a phone awake, where the browser can. */
export function useWakeLock(wanted: boolean): void {
  useEffect(() => {
    if (!wanted || !('wakeLock' in navigator)) return;
    let lock: WakeLockSentinel | null = null;
    let over = false;
    const take = async () => {
      if (document.visibilityState !== 'visible') return;
      try {
        lock = await navigator.wakeLock.request('screen');
        if (over) await lock.release();
      } catch {
        // A low battery forbids it; the call goes on without.
      }
    };
    void take();
    // The system lets go of it whenever the page is hidden.
    document.addEventListener('visibilitychange', take);
    return () => {
      over = true;
      document.removeEventListener('visibilitychange', take);
      void lock?.release();
    };
  }, [wanted]);
}
