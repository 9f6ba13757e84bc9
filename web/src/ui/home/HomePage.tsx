import { useCallback, useEffect, useState } from 'preact/hooks';
import { authConfig } from '../../api/bookings';
import { parseFragment } from '../../call/ticket';
import { t } from '../../i18n';
import { currentSession, type Session, signOut } from '../../session';
import { Page } from '../Page';
import { Bookings } from './Bookings';
import { SignIn } from './SignIn';
import { StartCall } from './StartCall';
import { useUpcoming } from './useUpcoming';

type SignInWay = 'loading' | 'local' | 'elsewhere' | 'unknown';

export function HomePage() {
  const [session, setSession] = useState<Session | null>(currentSession);
  const [way, setWay] = useState<SignInWay>('loading');
  // Each booking that is made or cancelled asks the list to look again.
  const [changes, setChanges] = useState(0);

  const askWay = useCallback(async () => {
    setWay('loading');
    const { status, body } = await authConfig();
    if (status !== 200 || !body) setWay('unknown');
    else setWay(body.local_sign_in ? 'local' : 'elsewhere');
  }, []);
  useEffect(() => {
    void askWay();
  }, [askWay]);

  // Whoever was sent here from a call to sign in wants to be in that call.
  const ticket = parseFragment(location.hash);
  const back = session && ticket?.kind === 'booking' ? ticket.id : null;
  useEffect(() => {
    if (back !== null) location.replace(`/call#booking=${back}`);
  }, [back]);

  const changed = () => setChanges((count) => count + 1);
  const leave = () => {
    signOut();
    setSession(null);
  };

  return (
    <Page
      aside={
        session && (
          <div class="who">
            <span>{t('signedInAs', { name: session.name })}</span>
            <button type="button" class="button quiet" onClick={leave}>
              {t('signOut')}
            </button>
          </div>
        )
      }
    >
      {session ? (
        <SignedIn session={session} version={changes} onChanged={changed} onSignedOut={leave} />
      ) : (
        <>
          <p class="tagline">{t('tagline')}</p>
          {way === 'local' && <SignIn onSignedIn={setSession} />}
          {way === 'loading' && <p class="muted center">{t('loading')}</p>}
          {way === 'elsewhere' && (
            <section class="card">
              <h1>{t('noLocalSignInTitle')}</h1>
              <p>{t('noLocalSignIn')}</p>
            </section>
          )}
          {way === 'unknown' && (
            <section class="card" role="alert">
              <p>{t('errorNetwork')}</p>
              <button type="button" class="button" onClick={() => void askWay()}>
                {t('retry')}
              </button>
            </section>
          )}
        </>
      )}
    </Page>
  );
}

function SignedIn(props: {
  session: Session;
  version: number;
  onChanged(): void;
  onSignedOut(): void;
}) {
  const { session, version, onChanged, onSignedOut } = props;
  const reading = useUpcoming(session.token, version, onSignedOut);
  const common = { session, reading, onSignedOut };
  return (
    <>
      <StartCall {...common} onBooked={onChanged} />
      <Bookings {...common} onChanged={onChanged} />
    </>
  );
}
