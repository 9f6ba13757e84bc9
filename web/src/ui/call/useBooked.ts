import { useEffect, useState } from 'preact/hooks';
import { type Booked, closed, type Looked } from '../../call/booked';
import type { Wired } from '../../call/wire';

/** Whoever comes so long before the opening is told when it is, and asked for no camera yet. */
const AHEAD_MS = 5 * 60_000;
/** Meanwhile it may be cancelled or moved. */
const EVERY_MS = 60_000;

export interface Door {
  /** As it was last told; null until then. */
  booked: Booked | null;
  /** `asking`: the API has not answered yet. `early`: not for a while. */
  way: 'asking' | 'early' | 'free';
  /** The person does not want to come back later. */
  prepare(): void;
}

/** Whether there is a call to enter: asked before the camera is. */
export function useBooked(wired: Wired): Door {
  const { call } = wired;
  const [booked, setBooked] = useState<Booked | null>(null);
  const [way, setWay] = useState<Door['way']>(() => (wired.stay() ? 'free' : 'asking'));
  const [again, setAgain] = useState(0);

  const hear = (looked: Looked) => {
    if (looked.kind === 'booked') setBooked(looked.booked);
    if (call.snapshot.phase !== 'idle') return;
    const why = looked.kind === 'booked' ? closed(looked.booked) : looked.why;
    if (why && looked.kind === 'booked') call.leave(why);
    else if (why) call.refuse(why);
    else setWay((known) => (known === 'free' ? known : wayOf(looked, known)));
  };
  useEffect(() => wired.onLooked(hear), [wired]);
  useEffect(() => {
    let stale = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    void wired.look().then((looked) => {
      if (stale || call.snapshot.phase !== 'idle') return;
      const pause = pauseAfter(looked);
      if (pause !== null) timer = setTimeout(() => setAgain(again + 1), pause);
    });
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [wired, again]);
  return { booked, way, prepare: () => setWay('free') };
}

function wayOf(looked: Looked, known: Door['way']): Door['way'] {
  // The door itself will tell what this answer has not.
  if (looked.kind === 'unknown') return known === 'asking' ? 'free' : known;
  return (looked.opensInMs ?? 0) > AHEAD_MS ? 'early' : 'free';
}

/** How long to wait before asking again; null when the door is free. */
function pauseAfter(looked: Looked): number | null {
  if (looked.kind === 'unknown') return Math.max(EVERY_MS, looked.retryAfterMs ?? 0);
  const ahead = (looked.opensInMs ?? 0) - AHEAD_MS;
  // A little later, for the timer may be early.
  return ahead > 0 ? Math.min(ahead + 500, EVERY_MS) : null;
}
