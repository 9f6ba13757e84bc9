import { type Answer, type FieldError, NO_ANSWER, type Problem } from '../api/http';
import { type Key, t } from '../i18n';
import { at, dayAndTime, until as untilText } from '../i18n/time';

const NOTHING_FREE = ['room_taken', 'capacity_exhausted'];
const TOO_LATE = ['cancel_too_late', 'change_too_late'];
/** RFC 3339, as programs write a moment. */
const WALL_CLOCK = /(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d)?/g;
const FIELDS: Record<string, Key | undefined> = {
  start_time: 'fieldStart',
  end_time: 'fieldEnd',
  rrule: 'repeat',
  name: 'guestName',
  email: 'guestEmail',
};
const MOMENT = /\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)/g;

/** Every room is in use, which another time may help. */
export const nothingFree = ({ body }: Answer): boolean =>
  NOTHING_FREE.includes((body as Problem | null)?.code ?? '');

/** What to tell a person about a refused request. */
export function messageOf(answer: Answer): string {
  const { status, body } = answer;
  const problem = body as Problem | null;
  if (status === NO_ANSWER) return t('errorNetwork');
  if (status === 401) return t('errorSession');
  if (status === 429) return t('errorThrottled');
  // Nobody here has chosen a room, and its number says nothing to them.
  if (nothingFree(answer)) return t('errorConflict');
  if (TOO_LATE.includes(problem?.code ?? '')) return t('tooLateToChange');
  const opensAt = Date.parse(problem?.opens_at ?? '');
  if (!Number.isNaN(opensAt)) return t('errorTooEarly', { at: at(new Date(opensAt)) });
  const fields = problem?.errors ?? [];
  if (fields.length > 0) return fields.map(sentence).join(' ');
  // The API speaks the person's language and knows the case better.
  return humane(problem?.detail) ?? t(status === 409 ? 'errorConflict' : 'errorUnexpected');
}

/** Moments in the local time of whoever reads, and wall-clock times as they are. */
function humane<T extends string | undefined>(text: T): T {
  return (
    text
      ?.replace(MOMENT, (moment) => dayAndTime(new Date(moment)))
      // As if in UTC: the API may name a time that does not exist here.
      .replace(WALL_CLOCK, (_, date, time) => dayAndTime(new Date(`${date}T${time}Z`), 'UTC')) as T
  );
}

/** With the name that the form gives to the field. */
function sentence({ field, message }: FieldError): string {
  const label = FIELDS[field];
  const text = humane(message).trim();
  const whole = label
    ? `${t(label)}: ${text}`
    : text.replace(/^\p{Ll}/u, (letter) => letter.toUpperCase());
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** Why a booking can't last longer, with what follows it. */
export function whyNotLonger(answer: Answer<Problem>, end: Date): string {
  const until = freeUntil(answer);
  if (until === null) return messageOf(answer);
  if (until.getTime() - end.getTime() < 60_000) return t('extendNothingFree');
  return t('extendFreeUntil', { until: untilText(until) });
}

/** Until when the room is free after a booking, when the API says so. */
export function freeUntil({ body }: Answer<Problem>): Date | null {
  const until = Date.parse(body?.free_until ?? '');
  return Number.isNaN(until) ? null : new Date(until);
}
