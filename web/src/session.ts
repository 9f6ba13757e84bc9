import { forget, recall, remember } from './storage';

export interface Session {
  token: string;
  name: string;
  expiresAt: number;
}

const KEY = 'suroga.session';

export function saveSession(session: Session): void {
  remember(KEY, session);
}

/** The signed-in user, or null when nobody is or the token has run out. */
export function currentSession(now = Date.now()): Session | null {
  const session = recall<Session>(KEY);
  if (session && session.expiresAt > now) return session;
  return null;
}

export function signOut(): void {
  forget(KEY);
}
