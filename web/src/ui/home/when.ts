/** Dates and times as people write them in forms: wall-clock ones, without an offset. */
export interface When {
  date: string;
  time: string;
  minutes: number;
}

export type Repeat = 'once' | 'weekly' | 'daily';

/** The API books at most so many at once, and no later than a year from now. */
export const MOST: Record<Repeat, number> = { once: 1, weekly: 52, daily: 104 };

const HOUR_MS = 3_600_000;
/** Bookings may usually be cancelled until an hour before: what we propose still can be, for a while. */
const PROPOSED_AHEAD_MS = 1.5 * HOUR_MS;

/** The first full hour that is far enough ahead. */
export function proposedStart(now: Date): Date {
  const start = new Date(now.getTime() + PROPOSED_AHEAD_MS);
  if (start.getMinutes() || start.getSeconds() || start.getMilliseconds()) {
    start.setHours(start.getHours() + 1, 0, 0, 0);
  }
  return start;
}

export function fieldsOf(moment: Date): { date: string; time: string } {
  const two = (value: number) => String(value).padStart(2, '0');
  return {
    date: `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`,
    time: `${two(moment.getHours())}:${two(moment.getMinutes())}`,
  };
}

/** `skipped`: clocks go forward over that time on that day, so it does not exist. */
export type Start = Date | 'malformed' | 'past' | 'skipped';

/** The moment that the person means, by the browser's time zone. */
export function startOf({ date, time }: When, now: Date): Start {
  const start = new Date(`${date}T${time}`);
  if (Number.isNaN(start.getTime())) return 'malformed';
  if (fieldsOf(start).time !== time) return 'skipped';
  return start.getTime() < now.getTime() ? 'past' : start;
}

/** How long before its start a call may still be changed, where nothing has told otherwise. */
const NOTICE_MS = HOUR_MS;

/** The notice of the first booking that tells it, in ms. */
export function noticeOf(bookings: { start_time: string; cancel_until?: string | null }[]): number {
  for (const { start_time, cancel_until } of bookings) {
    const notice = Date.parse(start_time) - Date.parse(cancel_until ?? '');
    if (notice >= 0) return notice;
  }
  return NOTICE_MS;
}

export const later = (start: Date, minutes: number): Date =>
  new Date(start.getTime() + minutes * 60_000);

/** A repeated booking in wall-clock times of this browser's zone, as the API wants it. */
export function seriesOf(when: When, repeat: Exclude<Repeat, 'once'>, count: number) {
  return {
    start_time: `${when.date}T${when.time}:00`,
    end_time: localEnd(when),
    time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    rrule: `FREQ=${repeat === 'weekly' ? 'WEEKLY' : 'DAILY'};COUNT=${count}`,
  };
}

/** By the clock on the wall: reckoned as if in UTC, where every day has 24 hours. */
function localEnd({ date, time, minutes }: When): string {
  const end = new Date(`${date}T${time}:00Z`);
  return later(end, minutes).toISOString().slice(0, 19);
}
