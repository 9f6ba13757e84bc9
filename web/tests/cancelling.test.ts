import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cancelCall } from '../src/ui/home/cancelling';

const SESSION = { token: 'bearer', name: 'Alice', expiresAt: Number.MAX_SAFE_INTEGER };
const asked = vi.fn<typeof fetch>();

beforeEach(() => {
  vi.stubGlobal('fetch', asked);
});

afterEach(() => {
  vi.unstubAllGlobals();
  asked.mockReset();
});

function answers(status: number, problem?: Record<string, string>): void {
  asked.mockResolvedValue(new Response(problem ? JSON.stringify(problem) : null, { status }));
}

test('asks for the end of that booking, in the name of who is signed in', async () => {
  answers(204);
  expect(await cancelCall(SESSION, 2026062000123456)).toEqual({ kind: 'done' });
  expect(asked).toHaveBeenCalledTimes(1);
  const [path, options] = asked.mock.calls[0] ?? [];
  expect(path).toBe('/api/v1/bookings/2026062000123456');
  expect(options?.method).toBe('DELETE');
  expect(options?.headers).toMatchObject({ Authorization: 'Bearer bearer' });
  expect(options?.body).toBeUndefined();
});

test.each([
  [400, 'cancel_too_late', 'Less than an hour before its start.'],
  [403, 'booking_started', 'It has started.'],
  [404, 'booking_not_found', 'There is no such booking.'],
])('%i %s: says what the API says', async (status, code, detail) => {
  answers(status, { code, detail });
  expect(await cancelCall(SESSION, 7)).toEqual({ kind: 'refused', why: detail });
});

test('a session that ended is no refusal', async () => {
  answers(401, { code: 'unauthorized', detail: 'No.' });
  expect(await cancelCall(SESSION, 7)).toEqual({ kind: 'signed_out' });
});

test('no answer, and an answer that is none of ours, are told in our own words', async () => {
  asked.mockRejectedValue(new TypeError('no network'));
  const silent = await cancelCall(SESSION, 7);
  answers(502);
  const foreign = await cancelCall(SESSION, 7);
  for (const outcome of [silent, foreign]) expect(outcome).toMatchObject({ kind: 'refused' });
  expect(silent).not.toEqual(foreign);
});
