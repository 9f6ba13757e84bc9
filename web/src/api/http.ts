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
  errors?: FieldError[];
  /** `too_early`: when the room opens. */
  opens_at?: string;
  /** `room_starting`: how the machine fares. */
  state?: string;
  /** A booking can't be extended beyond this, for another one follows. */
  free_until?: string;
}

export interface FieldError {
  field: string;
  message: string;
}

interface Call {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  body?: unknown;
  token?: string | undefined;
  /** The Idempotency-Key: the same one never does the same thing twice. */
  key?: string;
  timeoutMs?: number;
  /** What an answer that is no error holds; JSON when left out. */
  as?: 'blob';
}

/** Status 0 means that no answer came: no network, a dead server or a timeout. */
export const NO_ANSWER = 0;

export const isGood = ({ status }: Answer): boolean => status >= 200 && status < 300;

export async function request<T>(path: string, call: Call = {}): Promise<Answer<T>> {
  try {
    const response = await fetch(path, {
      method: call.method ?? 'GET',
      headers: headersOf(call),
      cache: 'no-store',
      signal: AbortSignal.timeout(call.timeoutMs ?? 10_000),
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    const body = call.as === 'blob' && response.ok ? await response.blob() : await parse(response);
    return {
      status: response.status,
      body: body as T | null,
      retryAfterMs: retryAfter(response),
      serverTime: serverTime(response),
    };
  } catch {
    return { status: NO_ANSWER, body: null, retryAfterMs: null, serverTime: Date.now() };
  }
}

function headersOf(call: Call): Record<string, string> {
  return {
    Accept: call.as === 'blob' ? '*/*' : 'application/json',
    // The page's own language and not the browser's: their texts stand beside each other.
    'Accept-Language': language(),
    ...(call.body === undefined ? {} : { 'Content-Type': 'application/json' }),
    ...(call.token ? { Authorization: `Bearer ${call.token}` } : {}),
    ...(call.key ? { 'Idempotency-Key': call.key } : {}),
  };
}

async function parse(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null; // 204, or a proxy's page.
  }
}

/** In seconds, or (RFC 9110, 10.2.3) as a date. */
function retryAfter(response: Response): number | null {
  const header = response.headers.get('Retry-After');
  if (header === null || header === '') return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds * 1000 : null;
  const moment = Date.parse(header);
  return Number.isFinite(moment) ? Math.max(0, moment - serverTime(response)) : null;
}

function serverTime(response: Response): number {
  const told = Date.parse(response.headers.get('Date') ?? '');
  return Number.isFinite(told) ? told : Date.now();
}
