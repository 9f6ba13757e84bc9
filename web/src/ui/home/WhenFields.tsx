import { t } from '../../i18n';
import { duration } from '../../i18n/time';
import { fieldsOf, type When } from './when';

const DURATIONS = [15, 30, 45, 60, 90, 120];

/** Day, time and how long, in one row where there is room. */
export function WhenFields({ value, onChange }: { value: When; onChange(value: When): void }) {
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
    </>
  );
}
