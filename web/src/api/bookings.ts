import { type Answer, type Problem, request } from './http';

/** `open`: the door is open and the start is yet to come. `ended`: by the host, before its time. */
export type BookingPhase = 'scheduled' | 'open' | 'running' | 'over' | 'ended' | 'cancelled';

/** Times are RFC 3339 in UTC. */
export interface Booking {
  booking_id: number;
  room_id: number;
  start_time: string;
  end_time: string;
  status: string;
  phase: BookingPhase;
  opens_at: string;
  /** Absent when it is too late. */
  cancel_until?: string | null;
  change_until?: string | null;
  series_id?: number | null;
  invite_url?: string | null;
}

export interface Token {
  access_token: string;
  expires_in: number;
}

/** What a person asks for when they book. */
export interface Wanted {
  start_time: string;
  end_time: string;
}

export const authConfig = () => request<{ local_sign_in: boolean }>('/api/v1/auth/config');

export const signIn = (who: { user: string; name: string; tenant?: string }) =>
  request<Token & Problem>('/api/v1/auth/token', { method: 'POST', body: who });

/** As many as one answer may hold: a long series is one of them each time. */
export const upcomingBookings = (token: string) =>
  request<Booking[]>('/api/v1/bookings?status=upcoming&limit=200', { token });

export const book = (
  token: string,
  wanted: Wanted,
  key: string,
): Promise<Answer<Booking & Problem>> =>
  request('/api/v1/bookings', { method: 'POST', token, key, timeoutMs: 20_000, body: wanted });

export const bookingById = (token: string, id: number) =>
  request<Booking & Problem>(`/api/v1/bookings/${id}`, { token });

export const changeBooking = (token: string, id: number, wanted: Wanted) =>
  request<Booking & Problem>(`/api/v1/bookings/${id}`, {
    method: 'PATCH',
    token,
    timeoutMs: 20_000,
    body: wanted,
  });

export const extendBooking = (token: string, id: number, end: Date) =>
  request<Booking & Problem>(`/api/v1/bookings/${id}/extend`, {
    method: 'POST',
    token,
    timeoutMs: 20_000,
    body: { end_time: end.toISOString() },
  });

export const cancelBooking = (token: string, id: number) =>
  request<Problem>(`/api/v1/bookings/${id}`, { method: 'DELETE', token });

export const endBooking = (token: string, id: number) =>
  request<Problem>(`/api/v1/bookings/${id}/end`, { method: 'POST', token });

export const calendarFile = (token: string, id: number) =>
  request<Blob>(`/api/v1/bookings/${id}/calendar.ics`, { token, as: 'blob' });
