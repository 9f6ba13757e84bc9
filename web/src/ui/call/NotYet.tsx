import { t } from '../../i18n';
import { at, span } from '../../i18n/time';
import type { Door } from './useBooked';

/** Before there is anything to prepare for: no camera is asked for yet. */
export function NotYet({ door }: { door: Door }) {
  const { booked, way, prepare } = door;
  if (way !== 'early' || !booked?.opens_at) return <p class="muted center">{t('loading')}</p>;
  return (
    <section class="card center" data-testid="not-open">
      <h1>{t('notOpenTitle')}</h1>
      <p data-testid="booked-time">
        {span(new Date(booked.start_time), new Date(booked.end_time))}
      </p>
      <p>{t('opensAt', { at: at(new Date(booked.opens_at)) })}</p>
      <p class="muted">{t('notOpenHelp')}</p>
      <button type="button" class="button wide" data-testid="prepare" onClick={prepare}>
        {t('prepareNow')}
      </button>
      <a class="button wide" href="/">
        {t('home')}
      </a>
    </section>
  );
}
