import { language, locale, t } from '.';

const MINUTE_MS = 60_000;

export function clockTime(moment: Date, timeZone?: string): string {
  const parts = { hour: '2-digit', minute: '2-digit' } as const;
  return moment.toLocaleTimeString(locale(), { ...parts, ...zone(timeZone) });
}

/** For a list, or after «of» and «to». By the clock of this browser, or of another zone. */
export const dayAndTime = (moment: Date, timeZone?: string): string =>
  t('dayAndTime', dayTime(moment, timeZone));

export function day(moment: Date, timeZone?: string): string {
  return moment.toLocaleDateString(locale(), { ...dateOf(moment), ...zone(timeZone) });
}

const dayTime = (moment: Date, timeZone?: string) => ({
  day: day(moment, timeZone),
  time: clockTime(moment, timeZone),
});

const zone = (timeZone?: string) => (timeZone ? { timeZone } : {});

/** The year only when it is another one. Sentences in Portuguese need the weekday in full. */
function dateOf(moment: Date): Intl.DateTimeFormatOptions {
  const thisYear = moment.getFullYear() === new Date().getFullYear();
  const portuguese = language() === 'pt';
  return {
    weekday: portuguese ? 'long' : 'short',
    day: 'numeric',
    month: portuguese ? 'numeric' : 'short',
    ...(thisYear ? {} : { year: 'numeric' }),
  };
}

/** For the middle of a sentence: at 14:00; on Mon, 5 Oct at 14:00 when that is not today. */
export const at = (moment: Date, now = new Date()): string =>
  isSameDay(moment, now) ? t('atTime', { time: clockTime(moment) }) : onDay(moment);

/** As `at`, for whoever reads it on another day. */
export function onDay(moment: Date): string {
  // In Portuguese, Saturday and Sunday are masculine, and the other days are not.
  const weekend = [0, 6].includes(moment.getDay());
  return t(weekend ? 'atDayMasculine' : 'atDay', dayTime(moment));
}

/** As `at`: until 14:00. */
export const until = (moment: Date, now = new Date()): string =>
  isSameDay(moment, now)
    ? t('untilTime', { time: clockTime(moment) })
    : t('untilDay', dayTime(moment));

export const isSameDay = (a: Date, b: Date): boolean => a.toDateString() === b.toDateString();

/** From when to when; the day of the end only when it is another. */
export const hours = (start: Date, end: Date): string =>
  `${clockTime(start)} – ${isSameDay(start, end) ? clockTime(end) : dayAndTime(end)}`;

export const span = (start: Date, end: Date): string => `${day(start)}, ${hours(start, end)}`;

/** In words: 1 hora e 30 minutos, 45 minutes, 2 days and 1 hour. Never more than two units. */
export function duration(minutes: number): string {
  const whole = Math.max(0, Math.round(minutes));
  const counts: [number, string][] = [
    [Math.floor(whole / 1440), 'day'],
    [Math.floor(whole / 60) % 24, 'hour'],
    [whole % 60, 'minute'],
  ];
  const first = counts.findIndex(([count]) => count > 0);
  const shown = first < 0 ? counts.slice(2) : counts.slice(first, first + 2);
  const words = shown
    .filter(([count], at) => count > 0 || at === 0)
    .map(([count, unit]) =>
      new Intl.NumberFormat(locale(), { style: 'unit', unit, unitDisplay: 'long' }).format(count),
    );
  return new Intl.ListFormat(locale(), { type: 'conjunction' }).format(words);
}

/** 4:05 in the last hour, in words before: nobody counts the seconds of a day. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds >= 3600) return duration(Math.ceil(ms / MINUTE_MS));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
