import { useEffect, useMemo } from 'preact/hooks';
import type { Phase } from '../../call/snapshot';
import type { Ticket } from '../../call/ticket';
import { expose, type Wired, wireCall } from '../../call/wire';
import { useSnapshot } from '../hooks';
import { Page } from '../Page';
import { Interlude } from './Interlude';
import { PreJoin } from './PreJoin';
import { Stage } from './Stage';
import { Status } from './Status';
import { useBooked } from './useBooked';
import { useHost } from './useHost';

const ON_STAGE: Phase[] = ['joining', 'waiting_peer', 'connected', 'reconnecting'];
const OVER: Phase[] = ['ended', 'denied', 'error'];

export function CallRoom({ ticket }: { ticket: Ticket }) {
  const wired = useMemo(() => wireCall(ticket), [ticket]);
  const { call, media } = wired;
  const snapshot = useSnapshot(call);
  const mediaState = useSnapshot(media);
  const booked = useBooked(ticket, call);
  const host = useHost(ticket, call);
  useLife(wired);

  const over = OVER.includes(snapshot.phase);
  useEffect(() => {
    if (!over) return;
    wired.exit();
    media.release();
  }, [over, wired, media]);

  const again = async () => {
    await media.acquire();
    wired.enter(wired.display);
  };
  const leave = () => call.leave();
  const { audio, video } = mediaState.problems;
  const blocked = snapshot.phase === 'idle' && audio === 'denied' && video === 'denied';

  if (ON_STAGE.includes(snapshot.phase)) {
    return (
      <main class="call">
        <Status
          phase={snapshot.phase}
          {...(snapshot.moving ? { label: 'statusMoving' as const } : {})}
        />
        <Stage
          snapshot={snapshot}
          media={media}
          mediaState={mediaState}
          inviteUrl={booked?.invite_url ?? null}
          host={host}
          onHangUp={leave}
        />
      </main>
    );
  }
  return (
    <Page
      aside={
        blocked ? (
          <Status phase="denied" label="statusMediaDenied" />
        ) : (
          <Status phase={snapshot.phase} />
        )
      }
    >
      {snapshot.phase === 'idle' ? (
        <PreJoin
          media={media}
          state={mediaState}
          booked={booked}
          asksName={ticket.kind === 'invite'}
          onJoin={(name) => wired.enter(name)}
        />
      ) : (
        <Interlude
          snapshot={snapshot}
          onAgain={() => void again()}
          onHurry={() => call.hurry()}
          onLeave={leave}
        />
      )}
    </Page>
  );
}

/** From the opening of the page to its closing. */
function useLife(wired: Wired): void {
  useEffect(() => {
    const { call, media } = wired;
    expose(call);
    const begin = async () => {
      const stay = wired.stay();
      await media.acquire();
      // A reload in the middle of a call: the person is in already.
      if (stay) wired.enter(stay.display);
    };
    const hurry = () => call.hurry();
    const hide = () => call.vanish();
    const show = (event: PageTransitionEvent) => {
      // Taken from the browser's cache, the page is a picture of a call that has ended.
      if (event.persisted) location.reload();
    };
    void begin();
    window.addEventListener('online', hurry);
    window.addEventListener('pagehide', hide);
    window.addEventListener('pageshow', show);
    return () => {
      window.removeEventListener('online', hurry);
      window.removeEventListener('pagehide', hide);
      window.removeEventListener('pageshow', show);
      wired.close();
    };
  }, [wired]);
}
