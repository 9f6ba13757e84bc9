import { t } from '../../i18n';
import { MOST, type Repeat } from './when';

export function RepeatFields(props: {
  repeat: Repeat;
  count: number;
  onRepeat(repeat: Repeat): void;
  onCount(count: number): void;
}) {
  return (
    <>
      <label class="field">
        <span>{t('repeat')}</span>
        <select
          class="input"
          data-testid="repeat"
          value={props.repeat}
          onChange={(event) => props.onRepeat(event.currentTarget.value as Repeat)}
        >
          <option value="once">{t('repeatOnce')}</option>
          <option value="weekly">{t('repeatWeekly')}</option>
          <option value="daily">{t('repeatDaily')}</option>
        </select>
      </label>
      {props.repeat !== 'once' && (
        <label class="field">
          <span>{t('repeatCount')}</span>
          <input
            class="input"
            type="number"
            data-testid="repeat-count"
            required
            min={2}
            max={MOST[props.repeat]}
            step={1}
            value={props.count}
            onInput={(event) => props.onCount(event.currentTarget.valueAsNumber)}
          />
        </label>
      )}
    </>
  );
}
