import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import type { Session } from '../../session';
import { cancelCall } from './cancelling';

interface Props {
  session: Session;
  id: number;
  when: string;
  /** What stands beside the button while nobody is asked anything. */
  children: ComponentChildren;
  onCancelled(): void;
  onSignedOut(): void;
}

/** Cancels a booking, after asking in its own line. */
export function CancelBooking(props: Props) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<string | null>(null);
  const focus = useFocusOf(asking);

  const ask = (wanted: boolean) => {
    setRefused(null);
    setAsking(wanted);
  };
  const cancel = async () => {
    setBusy(true);
    const outcome = await cancelCall(props.session, props.id);
    setBusy(false);
    setAsking(false);
    if (outcome.kind === 'done') props.onCancelled();
    else if (outcome.kind === 'signed_out') props.onSignedOut();
    else setRefused(outcome.why);
  };

  if (asking) {
    return (
      <fieldset class="booking-sure" aria-label={t('cancelCallAt', { when: props.when })}>
        <p>{t('cancelSure')}</p>
        <div class="booking-actions">
          <button
            type="button"
            class="button"
            data-testid="cancel-booking-confirm"
            disabled={busy}
            onClick={() => void cancel()}
          >
            {t('cancelYes')}
          </button>
          <button
            ref={focus}
            type="button"
            class="button quiet"
            data-testid="cancel-booking-keep"
            disabled={busy}
            onClick={() => ask(false)}
          >
            {t('cancelNo')}
          </button>
        </div>
      </fieldset>
    );
  }
  return (
    <>
      <div class="booking-actions">
        <button
          ref={focus}
          type="button"
          class="button quiet"
          data-testid="cancel-booking"
          aria-label={t('cancelCallAt', { when: props.when })}
          onClick={() => ask(true)}
        >
          {t('cancel')}
        </button>
        {props.children}
      </div>
      {refused && (
        <p class="problem" role="alert">
          {refused}
        </p>
      )}
    </>
  );
}

/** The focus goes where the buttons went, and never to what nobody has touched. */
function useFocusOf(asking: boolean) {
  const button = useRef<HTMLButtonElement>(null);
  const before = useRef(asking);
  useLayoutEffect(() => {
    if (before.current !== asking) button.current?.focus();
    before.current = asking;
  }, [asking]);
  return button;
}
