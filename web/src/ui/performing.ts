import { type Answer, isGood, type Problem } from '../api/http';
import { type Patience, persist } from '../api/patience';
import { messageOf } from './messages';

export type Performed<T> =
  | { kind: 'done'; body: T | null }
  | { kind: 'signed_out' }
  /** Nothing changed; `why` is for the person. */
  | { kind: 'refused'; why: string; answer: Answer<T & Problem> };

/** Does what a person asked for, with some patience, and says what came of it. */
export async function perform<T>(
  send: () => Promise<Answer<T & Problem>>,
  patience: Patience,
): Promise<Performed<T>> {
  const answer = await persist(send, patience);
  if (isGood(answer)) return { kind: 'done', body: answer.body };
  if (answer.status === 401) return { kind: 'signed_out' };
  return { kind: 'refused', why: messageOf(answer), answer };
}
