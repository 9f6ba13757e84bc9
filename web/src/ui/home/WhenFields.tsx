import { t } from '../../i18n';
import { duration } from '../../i18n/time';
import { useNow } from '../hooks';
import { fieldsOf, startOf, type When } from './when';

const DURATIONS = [15, 30, 45, 60, 90, 120];

/** Day, time and how long, in one row where there is room. */
export function WhenFields(props: {
  value: When;
  /** So long before its start a call may still be changed, in ms. */
  noticeMs: number;
  onChange(value: When): void;
}) {
  const { value, noticeMs, onChange } = props;
  const lengths = DURATIONS.includes(value.minutes)
    ? DURATIONS
    : [...DURATIONS, value.minutes].sort((a, b) => a - b);
  return (
    <>
      <label class="field">
        <span>{t('date')}</span>
        <input
          class="input"
          type="date"
          data-testid="date"
          required
          min={fieldsOf(new Date()).date}
          value={value.date}
          onInput={(event) => onChange({ ...value, date: event.currentTarget.value })}
        />
      </label>
      <label class="field">
        <span>{t('time')}</span>
        <input
          class="input"
          type="time"
          data-testid="time"
          required
          value={value.time}
          onInput={(event) => onChange({ ...value, time: event.currentTarget.value })}
        />
      </label>
      <label class="field">
        <span>{t('duration')}</span>
        <select
          class="input"
          data-testid="duration"
          value={value.minutes}
          onChange={(event) => onChange({ ...value, minutes: Number(event.currentTarget.value) })}
        >
          {lengths.map((minutes) => (
            <option key={minutes} value={minutes}>
              {duration(minutes)}
            </option>
          ))}
        </select>
      </label>
      <TooSoon value={value} noticeMs={noticeMs} />
    </>
  );
}

/** A call that starts so soon is locked once it is booked. */
function TooSoon({ value, noticeMs }: { value: When; noticeMs: number }) {
  const now = useNow(true);
  const start = startOf(value, new Date(now));
  const soon = start instanceof Date && start.getTime() - now <= noticeMs;
  return (
    <p class="too-soon small" role="status" data-testid="too-soon">
      {soon && t('tooSoonToChange', { time: duration(noticeMs / 60_000) })}
    </p>
  );
}
