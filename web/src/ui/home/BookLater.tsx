import { useEffect, useRef, useState } from 'preact/hooks';
import { type Booking, book } from '../../api/bookings';
import { Intent } from '../../api/intent';
import { bookSeries, type Series } from '../../api/series';
import { t } from '../../i18n';
import { dayAndTime } from '../../i18n/time';
import type { Session } from '../../session';
import { GuestLinks } from '../GuestLinks';
import { Trouble } from '../Trouble';
import { useAction } from '../useAction';
import { RepeatFields } from './RepeatFields';
import { type Upcoming, useStillBooked } from './useUpcoming';
import { WhenFields } from './WhenFields';
import {
  fieldsOf,
  later,
  MOST,
  noticeOf,
  proposedStart,
  type Repeat,
  seriesOf,
  startOf,
  type When,
} from './when';

type Made = { kind: 'one'; booking: Booking } | { kind: 'series'; series: Series };

export function BookLater(props: {
  session: Session;
  upcoming: Upcoming | null;
  /** Each tells that a call was cancelled or moved: what was said of one just made is old news. */
  outdated: number;
  onBooked(): void;
  onSignedOut(): void;
}) {
  const [when, setWhen] = useState<When>(proposed);
  const [repeat, setRepeat] = useState<Repeat>('once');
  const [count, setCount] = useState(4);
  const [made, setMade] = useState<Made | null>(null);
  const action = useAction(props.onSignedOut);
  const [intent] = useState(() => new Intent());
  const touched = useRef(false);
  const one = useStillBooked(made?.kind === 'one' ? made.booking : null, props.upcoming);
  useEffect(() => setMade(null), [props.outdated]);

  /** A page that stood open for hours proposes a time that has not passed. */
  const opened = (open: boolean) => {
    if (open && !touched.current) setWhen(proposed());
  };
  const repeatBy = (wanted: Repeat) => {
    setRepeat(wanted);
    if (wanted !== 'once') setCount(Math.min(count, MOST[wanted]));
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    setMade(null);
    const start = startOf(when, new Date());
    if (!(start instanceof Date)) {
      action.say(t(start === 'skipped' ? 'errorSkipped' : 'errorTime'));
      return;
    }
    const done =
      repeat === 'once'
        ? await bookOnce(start, when.minutes)
        : await bookMany(seriesOf(when, repeat, count));
    if (!done) return;
    setMade(done);
    touched.current = false;
    props.onBooked();
  };
  const bookOnce = async (start: Date, minutes: number): Promise<Made | null> => {
    const wanted = {
      start_time: start.toISOString(),
      end_time: later(start, minutes).toISOString(),
    };
    const done = await action.run<Booking>(() =>
      intent.send(wanted, (key) => book(props.session.token, wanted, key)),
    );
    return done?.kind === 'done' && done.body ? { kind: 'one', booking: done.body } : null;
  };
  const bookMany = async (wanted: ReturnType<typeof seriesOf>): Promise<Made | null> => {
    const done = await action.run<Series>(() =>
      intent.send(wanted, (key) => bookSeries(props.session.token, wanted, key)),
    );
    return done?.kind === 'done' && done.body ? { kind: 'series', series: done.body } : null;
  };

  return (
    <details data-testid="book-later" onToggle={(event) => opened(event.currentTarget.open)}>
      <summary>{t('laterTitle')}</summary>
      <form class="later" onSubmit={(event) => void submit(event)}>
        <WhenFields
          value={when}
          noticeMs={noticeOf(props.upcoming?.bookings ?? [])}
          onChange={(value) => {
            touched.current = true;
            setWhen(value);
          }}
        />
        <RepeatFields repeat={repeat} count={count} onRepeat={repeatBy} onCount={setCount} />
        <button type="submit" class="button" data-testid="book" disabled={action.busy}>
          {t('book')}
        </button>
      </form>
      <Trouble action={action} />
      {one && (
        <div class="done" role="status">
          <p>{t('booked', { when: dayAndTime(new Date(one.start_time)) })}</p>
          <GuestLinks
            booking={one.booking_id}
            token={props.session.token}
            url={one.invite_url}
            version={props.upcoming}
          />
        </div>
      )}
      {made?.kind === 'series' && <SeriesMade series={made.series} />}
    </details>
  );
}

function SeriesMade({ series }: { series: Series }) {
  const starts = series.bookings.map((one) => new Date(one.start_time));
  const [first, last] = [starts[0], starts.at(-1)];
  if (!first || !last) return null;
  return (
    <p class="done" role="status">
      {t('seriesBooked', {
        n: starts.length,
        first: dayAndTime(first),
        last: dayAndTime(last),
      })}
    </p>
  );
}

function proposed(): When {
  return { ...fieldsOf(proposedStart(new Date())), minutes: 60 };
}
