import type { Phase } from '../../call/snapshot';
import { type Key, t } from '../../i18n';
import { STATUS } from './texts';

export function Status({ phase, label = STATUS[phase] }: { phase: Phase; label?: Key }) {
  return (
    <p class="status" data-testid="call-status" data-state={phase} role="status" aria-live="polite">
      <span class="status-dot" aria-hidden="true" />
      {t(label)}
    </p>
  );
}
