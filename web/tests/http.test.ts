import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Problem, request } from '../src/api/http';
import { Intent } from '../src/api/intent';
import { persist } from '../src/api/patience';
import { perform } from '../src/ui/performing';
import { FakeClock, settle } from './fakes';

const asked = vi.fn<typeof fetch>();
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let clock: FakeClock;
let waits: (number | null)[];
const patience = () => ({
  clock,
  random: () => 0,
  throttled: (until: number | null) => waits.push(until === null ? null : until - clock.now()),
});

beforeEach(() => {
  clock = new FakeClock();
  waits = [];
  vi.stubGlobal('fetch', asked);
});

afterEach(() => {
  vi.unstubAllGlobals();
  asked.mockReset();
});

function answer(status: number, body?: object, headers?: Record<string, string>): Response {
  return new Response(body ? JSON.stringify(body) : null, { status, ...(headers && { headers }) });
}

/** The API's answers, one after the other; the last one stays. */
function answers(...list: (Response | Error)[]): void {
  asked.mockImplementation(async () => {
    const next = list.length > 1 ? list.shift() : list[0];
    if (next instanceof Response) return next.clone();
    throw next;
  });
}

const headers = (call = 0) => asked.mock.calls[call]?.[1]?.headers as Record<string, string>;

test('tells the API in which language the page speaks, whatever the browser would say', async () => {
  answers(answer(200, {}));
  vi.stubGlobal('navigator', { languages: ['de-DE', 'fr'] });
  vi.resetModules();
  const { request: german } = await import('../src/api/http');
  const { language } = await import('../src/i18n');
  await german('/somewhere');
  expect(headers()['Accept-Language']).toBe(language());
  expect(language()).toBe('en');
});

test('sends a body as JSON, the bearer, and the key', async () => {
  answers(answer(201, { id: 7 }));
  const { status, body } = await request('/x', {
    method: 'POST',
    body: { a: 1 },
    token: 'bearer',
    key: 'once',
  });
  expect([status, body]).toEqual([201, { id: 7 }]);
  expect(headers()).toMatchObject({
    'Content-Type': 'application/json',
    Authorization: 'Bearer bearer',
    'Idempotency-Key': 'once',
  });
  expect(asked.mock.calls[0]?.[1]?.body).toBe('{"a":1}');
});

test('a file is a blob, but a refusal of one is a problem', async () => {
  answers(answer(200, { any: 'thing' }), answer(404, { code: 'booking_not_found' }));
  expect((await request<Blob>('/x', { as: 'blob' })).body).toBeInstanceOf(Blob);
  expect((await request('/x', { as: 'blob' })).body).toEqual({ code: 'booking_not_found' });
});

test.each([
  ['7', 7000],
  ['0', 0],
  ['', null],
  ['soon', null],
  ['Sat, 20 Jun 2026 12:00:30 GMT', 30_000],
])('Retry-After "%s" is %s ms', async (header, ms) => {
  answers(answer(429, undefined, { 'Retry-After': header, Date: 'Sat, 20 Jun 2026 12:00:00 GMT' }));
  expect((await request('/x')).retryAfterMs).toBe(ms);
});

test('no answer at all has the status 0', async () => {
  answers(new TypeError('no network'));
  expect(await request('/x')).toMatchObject({ status: 0, body: null });
});

test('429: waits for as long as it says, tells so, and goes on by itself', async () => {
  answers(answer(429, undefined, { 'Retry-After': '20' }), answer(200, { ok: true }));
  const sent = persist(() => request('/x'), patience());
  await settle();
  await clock.advance(19_999);
  expect(asked).toHaveBeenCalledTimes(1);
  await clock.advance(1);
  expect(await sent).toMatchObject({ status: 200 });
  expect(waits).toEqual([20_000, null]);
});

test('429 for too long, or again and again, is told to the person', async () => {
  answers(answer(429, undefined, { 'Retry-After': '3600' }));
  expect(await persist(() => request('/x'), patience())).toMatchObject({ status: 429 });
  expect(asked).toHaveBeenCalledTimes(1);
  answers(answer(429, undefined, { 'Retry-After': '1' }));
  const sent = persist(() => request('/x'), patience());
  for (let second = 0; second < 10; second += 1) await clock.advance(1000);
  expect(await sent).toMatchObject({ status: 429 });
  expect(asked).toHaveBeenCalledTimes(1 + 6);
});

test('no answer and 503 are tried again a few times', async () => {
  answers(new TypeError(), answer(503, undefined, { 'Retry-After': '2' }), answer(204));
  const sent = persist(() => request('/x'), patience());
  for (let second = 0; second < 10; second += 1) await clock.advance(500);
  expect(await sent).toMatchObject({ status: 204 });
  expect(asked).toHaveBeenCalledTimes(3);
  expect(waits.filter((wait) => wait !== null)).toEqual([]);
  answers(answer(503));
  const vain = persist(() => request('/x'), patience());
  for (let second = 0; second < 10; second += 1) await clock.advance(1000);
  expect(await vain).toMatchObject({ status: 503 });
});

test.each([400, 403, 404, 409, 422, 500])(
  '%i is an answer, and is not asked again',
  async (status) => {
    answers(answer(status));
    expect(await persist(() => request('/x'), patience())).toMatchObject({ status });
    expect(asked).toHaveBeenCalledTimes(1);
  },
);

test('a request that is still under way is waited for', async () => {
  answers(answer(409, { code: 'idempotency_in_flight' }), answer(201, { id: 7 }));
  const sent = persist(() => request('/x'), patience());
  await settle();
  await clock.advance(1000);
  expect(await sent).toMatchObject({ status: 201 });
});

test('one intent has one key, in each attempt and until its fate is known', async () => {
  const intent = new Intent();
  const keys: string[] = [];
  const send = (what: object) =>
    intent.send(what, (key) => {
      keys.push(key);
      return request('/x', { key });
    });
  answers(new TypeError('lost'), answer(201), answer(201));
  await send({ a: 1 });
  expect(intent.isOpen).toBe(true);
  await send({ a: 1 });
  expect(intent.isOpen).toBe(false);
  await send({ a: 1 });
  expect(keys[0]).toMatch(UUID);
  expect(keys[1]).toBe(keys[0]);
  expect(keys[2]).not.toBe(keys[0]);
});

test('another wish has another key, even when the first is in doubt', async () => {
  const intent = new Intent();
  const keys: string[] = [];
  answers(new TypeError('lost'));
  for (const what of [{ a: 1 }, { a: 2 }]) {
    await intent.send(what, (key) => {
      keys.push(key);
      return request('/x', { key });
    });
  }
  expect(keys[1]).not.toBe(keys[0]);
});

test.each([
  [204, undefined, { kind: 'done', body: null }],
  [401, { code: 'unauthorized' }, { kind: 'signed_out' }],
  [409, { detail: 'It is taken.' }, { kind: 'refused', why: 'It is taken.' }],
])('what a person asked for, answered with %i', async (status, body, outcome) => {
  answers(answer(status, body));
  expect(await perform(() => request<Problem>('/x'), patience())).toMatchObject(outcome);
});
