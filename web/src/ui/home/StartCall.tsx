import { useRef, useState } from 'preact/hooks';
import { type Booking, book, type Wanted } from '../../api/bookings';
import { Intent } from '../../api/intent';
import { t } from '../../i18n';
import type { Session } from '../../session';
import { GuestLinks } from '../GuestLinks';
import { nothingFree } from '../messages';
import { Trouble } from '../Trouble';
import { useAction } from '../useAction';
import { type Reading, useStillBooked } from './useUpcoming';
import { later } from './when';

const MINUTES = 60;
/** So long an unanswered wish is still the same one; the API takes starts a little in the past. */
const SAME_WISH_MS = 120_000;

export function StartCall(props: {
  session: Session;
  reading: Reading;
  onBooked(): void;
  onSignedOut(): void;
}) {
  const { upcoming } = props.reading;
  const [made, setMade] = useState<Booking | null>(null);
  const booking = useStillBooked(made, upcoming);
  const action = useAction(props.onSignedOut);
  const [intent] = useState(() => new Intent());
  const wish = useRef<{ at: number; wanted: Wanted } | null>(null);

  const start = async () => {
    const now = Date.now();
    if (!wish.current || now - wish.current.at > SAME_WISH_MS) {
      wish.current = { at: now, wanted: wantedFrom(new Date(now)) };
    }
    const { wanted } = wish.current;
    const done = await action.run<Booking>(() =>
      intent.send(wanted, (key) => book(props.session.token, wanted, key)),
    );
    if (!intent.isOpen) wish.current = null;
    if (done?.kind === 'refused' && nothingFree(done.answer)) action.say(t('nothingFreeNow'));
    if (done?.kind !== 'done' || !done.body) return;
    setMade(done.body);
    props.onBooked();
  };

  if (booking) {
    return (
      <section class="card hero">
        <h1>{t('inviteTitle')}</h1>
        <GuestLinks
          booking={booking.booking_id}
          token={props.session.token}
          url={booking.invite_url}
          version={upcoming}
        />
        <a
          class="button primary wide big"
          data-testid="enter-call"
          href={`/call#booking=${booking.booking_id}`}
        >
          {t('enterCall')}
        </a>
      </section>
    );
  }
  return (
    <section class="card hero">
      <h1>{t('tagline')}</h1>
      <button
        type="button"
        class="button primary wide big"
        data-testid="start-call"
        disabled={action.busy}
        onClick={() => void start()}
      >
        {action.busy ? t('startingCall') : t('startCall')}
      </button>
      <p class="muted">{t('startCallHelp')}</p>
      <Trouble action={action} />
    </section>
  );
}

const wantedFrom = (start: Date): Wanted => ({
  start_time: start.toISOString(),
  end_time: later(start, MINUTES).toISOString(),
});
