import { useEffect, useMemo, useState } from 'preact/hooks';
import { initJanus, isSupported } from '../../call/janus/library';
import { type Ticket, takeTicket } from '../../call/ticket';
import { t } from '../../i18n';
import { currentSession } from '../../session';
import '../../styles/call.css';
import { Page } from '../Page';
import { CallRoom } from './CallRoom';
import { Status } from './Status';

/** Finds out whether there is a call to enter, and whether this browser and person can. */
export function CallPage() {
  const ticket = useTicket();
  const supported = useMemo(() => {
    initJanus();
    return isSupported();
  }, []);

  useEffect(() => {
    document.title = `${t('callTitle')} · ${t('app')}`;
  }, []);

  if (!supported) {
    return <Refused phase="error" title="unsupportedTitle" help="unsupportedHelp" />;
  }
  if (!ticket) {
    return <Refused phase="denied" title="noTicketTitle" help="noTicketHelp" />;
  }
  if (ticket.kind === 'booking' && !currentSession()) {
    return <Refused phase="denied" title="signedOutTitle" help="signedOutHelp" signIn />;
  }
  return <CallRoom key={ticketKey(ticket)} ticket={ticket} />;
}

/** Another link pasted into the same tab changes only the fragment, and loads nothing. */
function useTicket(): Ticket | null {
  const [ticket, setTicket] = useState(takeTicket);
  useEffect(() => {
    const reread = () => setTicket(takeTicket());
    window.addEventListener('hashchange', reread);
    return () => window.removeEventListener('hashchange', reread);
  }, []);
  return ticket;
}

const ticketKey = (ticket: Ticket) =>
  ticket.kind === 'booking' ? `booking ${ticket.id}` : ticket.token;

function Refused(props: {
  phase: 'denied' | 'error';
  title: 'unsupportedTitle' | 'noTicketTitle' | 'signedOutTitle';
  help: 'unsupportedHelp' | 'noTicketHelp' | 'signedOutHelp';
  signIn?: boolean;
}) {
  return (
    <Page aside={<Status phase={props.phase} />}>
      <section class="card center">
        <h1>{t(props.title)}</h1>
        <p class="muted">{t(props.help)}</p>
        <a class="button primary wide" href={props.signIn ? `/${location.hash}` : '/'}>
          {t(props.signIn ? 'signIn' : 'home')}
        </a>
      </section>
    </Page>
  );
}
