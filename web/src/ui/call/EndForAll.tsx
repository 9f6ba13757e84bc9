import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { Dialog } from '../Dialog';
import { Trouble } from '../Trouble';
import { useAction } from '../useAction';
import type { Host } from './useHost';

/** The host's way to end the call for the other as well, who has no say: so it asks first. */
export function EndForAll({ host }: { host: Host }) {
  const [asking, setAsking] = useState(false);
  const action = useAction();

  const ask = (wanted: boolean) => {
    action.say(null);
    setAsking(wanted);
  };

  return (
    <>
      <button
        type="button"
        class="button end-all"
        data-testid="end-for-all"
        onClick={() => ask(true)}
      >
        {t('endForAll')}
      </button>
      {asking && (
        <Dialog title={t('endForAllTitle')} testid="end-dialog" onClose={() => ask(false)}>
          <p>{t('endForAllSure')}</p>
          <Trouble action={action} />
          <div class="dialog-actions">
            <button
              type="button"
              class="button"
              data-testid="end-for-all-keep"
              disabled={action.busy}
              onClick={() => ask(false)}
            >
              {t('endForAllNo')}
            </button>
            <button
              type="button"
              class="button danger"
              data-testid="end-for-all-confirm"
              disabled={action.busy}
              onClick={() => void action.run(host.endForAll)}
            >
              {t('endForAll')}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
