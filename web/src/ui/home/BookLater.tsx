import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { dayAndTime } from '../../i18n/time';
import type { Session } from '../../session';
import { InviteLink } from '../InviteLink';
import { useBook } from './useBook';

const DURATIONS = [15, 30, 45, 60, 90, 120];

export function BookLater(props: { session: Session; onBooked(): void; onSignedOut(): void }) {
  const [first] = useState(() => fieldsOf(nextHour(new Date())));
  const [date, setDate] = useState(first.date);
  const [time, setTime] = useState(first.time);
  const [minutes, setMinutes] = useState(60);
  const [problem, setProblem] = useState<string | null>(null);
  const [done, setDone] = useState<{ when: string; url: string | undefined } | null>(null);
  const { busy, error, book } = useBook(props.session, props.onSignedOut);

  const submit = async (event: Event) => {
    event.preventDefault();
    setDone(null);
    setProblem(null);
    // Without an offset, a date and time are local: what the person means.
    const start = new Date(`${date}T${time}`);
    if (Number.isNaN(start.getTime()) || start.getTime() < Date.now()) {
      setProblem(t('errorTime'));
      return;
    }
    const made = await book(start, minutes);
    if (!made) return;
    setDone({ when: dayAndTime(start), url: made.invite_url });
    props.onBooked();
  };

  const shown = problem ?? error;
  return (
    <details>
      <summary>{t('laterTitle')}</summary>
      <form class="later" onSubmit={(event) => void submit(event)}>
        <label class="field">
          <span>{t('date')}</span>
          <input
            class="input"
            type="date"
            required
            min={fieldsOf(new Date()).date}
            value={date}
            onInput={(event) => setDate(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>{t('time')}</span>
          <input
            class="input"
            type="time"
            required
            value={time}
            onInput={(event) => setTime(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>{t('duration')}</span>
          <select
            class="input"
            value={minutes}
            onChange={(event) => setMinutes(Number(event.currentTarget.value))}
          >
            {DURATIONS.map((n) => (
              <option key={n} value={n}>
                {t('minutes', { n })}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="button" disabled={busy}>
          {t('book')}
        </button>
      </form>
      {shown && (
        <p class="problem" role="alert">
          {shown}
        </p>
      )}
      {done && (
        <div role="status">
          <p>{t('booked', { when: done.when })}</p>
          {done.url && <InviteLink url={done.url} />}
        </div>
      )}
    </details>
  );
}

function nextHour(now: Date): Date {
  const hour = new Date(now);
  hour.setHours(hour.getHours() + 1, 0, 0, 0);
  return hour;
}

function fieldsOf(moment: Date): { date: string; time: string } {
  const two = (value: number) => String(value).padStart(2, '0');
  return {
    date: `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`,
    time: `${two(moment.getHours())}:${two(moment.getMinutes())}`,
  };
}
