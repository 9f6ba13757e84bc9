import { expect, test } from 'vitest';
import { acquire, type Devices, type Kind, problemOf } from '../src/media/acquire';

const track = (kind: Kind) => ({ kind }) as MediaStreamTrack;

/** Devices as a browser has them: each there, or failing with a name. */
function devices(
  faults: Partial<Record<Kind, string>>,
  permissions: Partial<Record<Kind, PermissionState>> = {},
): Devices & { asked: number } {
  return {
    asked: 0,
    async get(constraints) {
      this.asked += 1;
      const kinds = (['audio', 'video'] as const).filter((kind) => constraints[kind]);
      for (const kind of kinds) {
        const fault = faults[kind];
        if (fault) throw new DOMException('', fault);
      }
      const of = (kind: Kind) => (kinds.includes(kind) ? [track(kind)] : []);
      return {
        getAudioTracks: () => of('audio'),
        getVideoTracks: () => of('video'),
        getTracks: () => [...of('audio'), ...of('video')],
      } as unknown as MediaStream;
    },
    screen: () => Promise.reject(new DOMException('', 'NotAllowedError')),
    permission: async (kind) => permissions[kind] ?? null,
  };
}

test('takes both with one question', async () => {
  const both = devices({});
  const got = await acquire(both);
  expect([got.audio?.kind, got.video?.kind]).toEqual(['audio', 'video']);
  expect(got.problems).toEqual({});
  expect(both.asked).toBe(1);
});

test.each([
  ['NotFoundError', 'missing'],
  ['NotReadableError', 'busy'],
] as const)('without a camera (%s) there is still the microphone', async (fault, problem) => {
  const got = await acquire(devices({ video: fault }));
  expect(got.audio?.kind).toBe('audio');
  expect(got.video).toBeNull();
  expect(got.problems).toEqual({ video: problem });
});

test('with nothing at all one can still watch', async () => {
  const got = await acquire(devices({ audio: 'NotFoundError', video: 'NotFoundError' }));
  expect(got).toEqual({
    audio: null,
    video: null,
    problems: { audio: 'missing', video: 'missing' },
  });
});

test('a refusal is not followed by two more questions', async () => {
  const refused = devices({ audio: 'NotAllowedError', video: 'NotAllowedError' });
  const got = await acquire(refused);
  expect(got.problems).toEqual({ audio: 'denied', video: 'denied' });
  expect(refused.asked).toBe(1);
});

test('a camera blocked for good does not take the microphone with it', async () => {
  const got = await acquire(
    devices({ video: 'NotAllowedError' }, { audio: 'granted', video: 'denied' }),
  );
  expect(got.audio?.kind).toBe('audio');
  expect(got.problems).toEqual({ video: 'denied' });
});

test('an unknown fault counts as a missing device', () => {
  expect(problemOf(new DOMException('', 'OverconstrainedError'))).toBe('missing');
  expect(problemOf('what')).toBe('missing');
});
