import { type Answer, NO_ANSWER, type Problem } from '../api/http';
import { t } from '../i18n';

/** What to tell a person about a refused request. */
export function messageOf({ status, body }: Answer): string {
  if (status === NO_ANSWER) return t('errorNetwork');
  if (status === 401) return t('errorSession');
  // The API speaks the person's language and knows the case better.
  return (
    (body as Problem | null)?.detail ?? t(status === 409 ? 'errorConflict' : 'errorUnexpected')
  );
}
