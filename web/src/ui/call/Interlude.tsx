import type { Snapshot } from '../../call/snapshot';
import { type Key, t } from '../../i18n';
import { at, countdown } from '../../i18n/time';
import { useNow } from '../hooks';
import { ENDINGS, startingHelp } from './texts';

interface Props {
  snapshot: Snapshot;
  onAgain(): void;
  onHurry(): void;
  onLeave(): void;
}

/** Everything that a person sees of a call when there is no call to see: before, after, and no. */
export function Interlude({ snapshot, onAgain, onHurry, onLeave }: Props) {
  const { phase, reason, opensAt } = snapshot;
  const now = useNow(phase === 'waiting');

  if (phase === 'waiting' && opensAt !== null) {
    return (
      <Card title={t('waitingTitle', { time: countdown(opensAt - now) })} help="waitingHelp">
        <p class="muted">{t('opensAt', { at: at(new Date(opensAt)) })}</p>
        <Cancel onLeave={onLeave} />
      </Card>
    );
  }
  if (phase === 'starting') {
    return (
      <Card title={t('startingTitle')} help={startingHelp(snapshot)}>
        <span class="spinner" aria-hidden="true" />
        <Cancel onLeave={onLeave} />
      </Card>
    );
  }
  if (phase === 'full') {
    return (
      <Card title={t('fullTitle')} help="fullHelp">
        <button type="button" class="button" onClick={onHurry}>
          {t('retry')}
        </button>
        <Cancel onLeave={onLeave} />
      </Card>
    );
  }
  const ending = ENDINGS[reason ?? 'broken'];
  return (
    <Card title={t(ending.title)} help={ending.help}>
      {ending.again && (
        <button
          type="button"
          class="button primary wide"
          data-testid="join-again"
          onClick={onAgain}
        >
          {t('joinAgain')}
        </button>
      )}
      <a class="button wide" href={reason === 'signed_out' ? `/${location.hash}` : '/'}>
        {t(reason === 'signed_out' ? 'signIn' : 'home')}
      </a>
    </Card>
  );
}

function Card({
  title,
  help,
  children,
}: {
  title: string;
  help: Key;
  children: preact.ComponentChildren;
}) {
  return (
    <section class="card center">
      <h1>{title}</h1>
      <p class="muted">{t(help)}</p>
      {children}
    </section>
  );
}

function Cancel({ onLeave }: { onLeave(): void }) {
  return (
    <button type="button" class="button quiet" onClick={onLeave}>
      {t('cancel')}
    </button>
  );
}
