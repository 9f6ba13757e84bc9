import { recall, remember } from '../storage';

/** What lets somebody into a call: their own booking, or an invite. */
export type Ticket = { kind: 'booking'; id: number } | { kind: 'invite'; token: string };

const INVITE_KEY = 'suroga.invite';

export function parseFragment(fragment: string): Ticket | null {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  const invite = fields.get('invite');
  if (invite) return { kind: 'invite', token: invite };
  const id = Number(fields.get('booking'));
  return Number.isSafeInteger(id) && id > 0 ? { kind: 'booking', id } : null;
}

/**
 * Reads the address. An invite is a key, so it leaves the address bar (and the history, and any
 * screenshot) at once; the tab remembers it for a reload.
 */
export function takeTicket(): Ticket | null {
  const ticket = parseFragment(location.hash);
  if (ticket?.kind === 'invite') {
    remember(INVITE_KEY, ticket.token);
    history.replaceState(history.state, '', location.pathname);
    return ticket;
  }
  if (ticket) return ticket;
  const kept = recall<string>(INVITE_KEY);
  return kept ? { kind: 'invite', token: kept } : null;
}
