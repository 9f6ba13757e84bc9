import { useState } from 'preact/hooks';
import { type Booking, book } from '../../api/bookings';
import type { Session } from '../../session';
import { messageOf } from '../messages';

interface Book {
  busy: boolean;
  error: string | null;
  book(start: Date, minutes: number): Promise<Booking | null>;
}

export function useBook(session: Session, onSignedOut: () => void): Book {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  return {
    busy,
    error,
    async book(start, minutes) {
      if (busy) return null;
      setBusy(true);
      setError(null);
      const end = new Date(start.getTime() + minutes * 60_000);
      const answer = await book(session.token, start, end);
      setBusy(false);
      if (answer.status === 201 && answer.body) return answer.body;
      if (answer.status === 401) onSignedOut();
      setError(messageOf(answer));
      return null;
    },
  };
}
