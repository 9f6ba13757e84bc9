import { useEffect, useMemo } from 'preact/hooks';
import type { Phase } from '../../call/snapshot';
import type { Ticket } from '../../call/ticket';
import { expose, type Wired, wireCall } from '../../call/wire';
import { currentSession } from '../../session';
import { GuestLinks } from '../GuestLinks';
import { useSnapshot } from '../hooks';
import { Page } from '../Page';
import { Interlude } from './Interlude';
import { NotYet } from './NotYet';
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
  const door = useBooked(wired);
  const { booked } = door;
  const host = useHost(ticket, call);
  useLife(wired, door.way === 'free');

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
  // The call goes on without this page.
  const away = snapshot.reason === 'left' || snapshot.reason === 'replaced';
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
          invites={
            ticket.kind === 'booking' &&
            booked && (
              <GuestLinks
                booking={ticket.id}
                token={currentSession()?.token ?? ''}
                url={booked.invite_url}
                version={booked}
              />
            )
          }
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
          <Status phase={snapshot.phase} {...(away ? { label: 'statusIdle' as const } : {})} />
        )
      }
    >
      {snapshot.phase === 'idle' && door.way !== 'free' ? (
        <NotYet door={door} />
      ) : snapshot.phase === 'idle' ? (
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
function useLife(wired: Wired, free: boolean): void {
  useEffect(() => {
    if (!free || OVER.includes(wired.call.snapshot.phase)) return;
    const begin = async () => {
      const stay = wired.stay();
      await wired.media.acquire();
      // A reload in the middle of a call: the person is in already.
      if (stay) wired.enter(stay.display);
    };
    void begin();
  }, [wired, free]);
  useEffect(() => {
    const { call } = wired;
    expose(call);
    const hurry = () => {
      call.hurry();
      call.glance();
    };
    const look = () => {
      if (document.visibilityState === 'visible') call.glance();
    };
    const hide = () => call.vanish();
    const show = (event: PageTransitionEvent) => {
      // Taken from the browser's cache, the page is a picture of a call that has ended.
      if (event.persisted) location.reload();
    };
    document.addEventListener('visibilitychange', look);
    window.addEventListener('online', hurry);
    window.addEventListener('pagehide', hide);
    window.addEventListener('pageshow', show);
    return () => {
      document.removeEventListener('visibilitychange', look);
      window.removeEventListener('online', hurry);
      window.removeEventListener('pagehide', hide);
      window.removeEventListener('pageshow', show);
      wired.close();
    };
  }, [wired]);
}
