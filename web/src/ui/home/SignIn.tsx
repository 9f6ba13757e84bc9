import { useState } from 'preact/hooks';
import { signIn, type Token } from '../../api/bookings';
import { t } from '../../i18n';
import { type Session, saveSession } from '../../session';
import { Trouble } from '../Trouble';
import { useAction } from '../useAction';
import { userOf } from './userOf';

export function SignIn({ onSignedIn }: { onSignedIn(session: Session): void }) {
  const [name, setName] = useState('');
  const [tenant, setTenant] = useState('');
  const action = useAction();

  const submit = async (event: Event) => {
    event.preventDefault();
    const shown = name.trim();
    if (!shown) return;
    const who = {
      user: userOf(shown),
      name: shown,
      ...(tenant.trim() ? { tenant: tenant.trim() } : {}),
    };
    const done = await action.run<Token>(() => signIn(who));
    if (done?.kind !== 'done' || !done.body) return;
    const session = {
      token: done.body.access_token,
      name: shown,
      expiresAt: Date.now() + done.body.expires_in * 1000,
    };
    saveSession(session);
    onSignedIn(session);
  };

  return (
    <form class="card" onSubmit={(event) => void submit(event)}>
      <h1>{t('signInTitle')}</h1>
      <p class="muted">{t('signInHelp')}</p>
      <label class="field">
        <span>{t('yourName')}</span>
        <input
          class="input"
          data-testid="user-name"
          name="name"
          autocomplete="name"
          required
          maxLength={60}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <details>
        <summary>{t('moreOptions')}</summary>
        <label class="field">
          <span>{t('tenant')}</span>
          <input
            class="input"
            name="tenant"
            autocomplete="organization"
            maxLength={60}
            value={tenant}
            onInput={(event) => setTenant(event.currentTarget.value)}
          />
        </label>
      </details>
      <Trouble action={action} />
      <button
        type="submit"
        class="button primary wide"
        data-testid="sign-in"
        disabled={action.busy}
      >
        {t('signIn')}
      </button>
    </form>
  );
}
