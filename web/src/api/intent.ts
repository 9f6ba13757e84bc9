import { newUuid } from '../ids';
import { type Answer, NO_ANSWER, type Problem } from './http';

/**
 * What a person wants made, once. Its key stays the same for as long as nobody knows what became of
 * it: pressing the button again after a lost answer never makes a second one.
 */
export class Intent {
  private open: { what: string; key: string } | null = null;

  /** Whether it is unknown if the last one was made. */
  get isOpen(): boolean {
    return this.open !== null;
  }

  /** `what` is what the request says: another one is another intent. */
  async send<T>(what: unknown, ask: (key: string) => Promise<Answer<T>>): Promise<Answer<T>> {
    const text = JSON.stringify(what);
    if (this.open?.what !== text) this.open = { what: text, key: newUuid() };
    const answer = await ask(this.open.key);
    if (!unsettled(answer)) this.open = null;
    return answer;
  }
}

/** Whether it may have been done, or may yet be. */
function unsettled({ status, body }: Answer): boolean {
  const code = (body as Problem | null)?.code;
  return (
    status === NO_ANSWER || status >= 500 || status === 429 || code === 'idempotency_in_flight'
  );
}
