import { language } from '../i18n';

/** An answer of the API. Errors are RFC 9457 problems, so `body` has a stable `code`. */
export interface Answer<T = unknown> {
  status: number;
  body: T | null;
  retryAfterMs: number | null;
  /** The server's clock: the one that its times are told by. Ours may be far off. */
  serverTime: number;
}

export interface Problem {
  code?: string;
  detail?: string;
  opens_at?: string;
  state?: string;
}

interface Call {
  method?: 'GET' | 'POST' | 'DELETE';
  body?: unknown;
  token?: string | undefined;
  timeoutMs?: number;
}

/** Status 0 means that no answer came: no network, a dead server or a timeout. */
export const NO_ANSWER = 0;

export async function request<T>(path: string, call: Call = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = {
    Accept: 'application/json',
    'Accept-Language': language(),
  };
  if (call.body !== undefined) headers['Content-Type'] = 'application/json';
  if (call.token) headers.Authorization = `Bearer ${call.token}`;
  try {
    const response = await fetch(path, {
      method: call.method ?? 'GET',
      headers,
      cache: 'no-store',
      signal: AbortSignal.timeout(call.timeoutMs ?? 10_000),
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    return {
      status: response.status,
      body: (await parse(response)) as T | null,
      retryAfterMs: retryAfter(response),
      serverTime: serverTime(response),
    };
  } catch {
    return { status: NO_ANSWER, body: null, retryAfterMs: null, serverTime: Date.now() };
  }
}

async function parse(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null; // 204, or a proxy's page.
  }
}

function retryAfter(response: Response): number | null {
  const header = response.headers.get('Retry-After');
  if (header === null || header === '') return null;
  const seconds = Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}

function serverTime(response: Response): number {
  const told = Date.parse(response.headers.get('Date') ?? '');
  return Number.isFinite(told) ? told : Date.now();
}
