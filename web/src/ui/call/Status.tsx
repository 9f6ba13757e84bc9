import type { Phase } from '../../call/call';
import { t } from '../../i18n';
import { STATUS } from './texts';

export function Status({ phase }: { phase: Phase }) {
  return (
    <p class="status" data-testid="call-status" data-state={phase} role="status" aria-live="polite">
      <span class="status-dot" aria-hidden="true" />
      {t(STATUS[phase])}
    </p>
  );
}
