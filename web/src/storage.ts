/**
 * What a tab remembers, and no longer than the tab lives. Storage can be switched off by the
 * browser (private mode, embedded views): then memory has to do, and only a reload forgets.
 */
const memory = new Map<string, string>();

export function remember(key: string, value: unknown): void {
  const text = JSON.stringify(value);
  memory.set(key, text);
  try {
    sessionStorage.setItem(key, text);
  } catch {
    // Memory holds it.
  }
}

export function recall<T>(key: string): T | null {
  let text = memory.get(key) ?? null;
  try {
    text = sessionStorage.getItem(key) ?? text;
  } catch {
    // Memory may hold it.
  }
  if (text === null) return null;
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}

export function forget(key: string): void {
  memory.delete(key);
  try {
    sessionStorage.removeItem(key);
  } catch {
    // Nothing was kept there.
  }
}
