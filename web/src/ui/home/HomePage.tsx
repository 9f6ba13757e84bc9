import { useCallback, useEffect, useState } from 'preact/hooks';
import { authConfig } from '../../api/bookings';
import { t } from '../../i18n';
import { currentSession, type Session, signOut } from '../../session';
import { Page } from '../Page';
import { Bookings } from './Bookings';
import { SignIn } from './SignIn';
import { StartCall } from './StartCall';

type SignInWay = 'loading' | 'local' | 'elsewhere' | 'unknown';

export function HomePage() {
  const [session, setSession] = useState<Session | null>(currentSession);
  const [way, setWay] = useState<SignInWay>('loading');
  // Each booking that is made asks the list to look again.
  const [booked, setBooked] = useState(0);

  const askWay = useCallback(async () => {
    setWay('loading');
    const { status, body } = await authConfig();
    if (status !== 200 || !body) setWay('unknown');
    else setWay(body.local_sign_in ? 'local' : 'elsewhere');
  }, []);
  useEffect(() => {
    void askWay();
  }, [askWay]);

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
        <>
          <StartCall session={session} onBooked={() => setBooked(booked + 1)} onSignedOut={leave} />
          <Bookings
            session={session}
            version={booked}
            onBooked={() => setBooked(booked + 1)}
            onSignedOut={leave}
          />
        </>
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
