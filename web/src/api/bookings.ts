import { type Answer, type Problem, request } from './http';

export interface Booking {
  booking_id: number;
  room_id: number;
  start_time: string;
  end_time: string;
  status: string;
  invite_url?: string;
}

export interface Token {
  access_token: string;
  expires_in: number;
}

export const authConfig = () => request<{ local_sign_in: boolean }>('/api/v1/auth/config');

export const signIn = (who: { user: string; name: string; tenant?: string }) =>
  request<Token & Problem>('/api/v1/auth/token', { method: 'POST', body: who });

export const upcomingBookings = (token: string) =>
  request<Booking[]>('/api/v1/bookings?status=upcoming', { token });

export function book(token: string, start: Date, end: Date): Promise<Answer<Booking & Problem>> {
  return request('/api/v1/bookings', {
    method: 'POST',
    token,
    timeoutMs: 20_000,
    body: { start_time: start.toISOString(), end_time: end.toISOString() },
  });
}

export const cancelBooking = (token: string, id: number) =>
  request<Problem>(`/api/v1/bookings/${id}`, { method: 'DELETE', token });

export const bookingById = (token: string, id: number) =>
  request<Booking>(`/api/v1/bookings/${id}`, { token });

export const endBooking = (token: string, id: number) =>
  request<Problem>(`/api/v1/bookings/${id}/end`, { method: 'POST', token });
