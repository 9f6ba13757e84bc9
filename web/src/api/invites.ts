import type { BookingPhase } from './bookings';
import { type Problem, request } from './http';

export interface Invite {
  invite_id: string;
  name?: string | null;
  email?: string | null;
  invite_url: string;
}

export interface Guest {
  name?: string;
  email?: string;
}

/** What an invite tells its holder before they enter. */
export interface Shown {
  booking_id: number;
  start_time: string;
  end_time: string;
  phase: BookingPhase;
  opens_at: string;
  name?: string | null;
}

/** The invite that every booking has: whoever holds the link may enter. */
export const SHARED = 'guest';

export const invitesOf = (token: string, booking: number) =>
  request<Invite[]>(`/api/v1/bookings/${booking}/invites`, { token });

export const invite = (token: string, booking: number, guest: Guest, key: string) =>
  request<Invite & Problem>(`/api/v1/bookings/${booking}/invites`, {
    method: 'POST',
    token,
    key,
    body: guest,
  });

export const revokeInvite = (token: string, booking: number, id: string) =>
  request<Problem>(`/api/v1/bookings/${booking}/invites/${encodeURIComponent(id)}`, {
    method: 'DELETE',
    token,
  });

/** A picture of the link: it needs the bearer token, so no `src` can name it. */
export const inviteQr = (token: string, booking: number, id: string) =>
  request<Blob>(`/api/v1/bookings/${booking}/invites/${encodeURIComponent(id)}/qr?format=svg`, {
    token,
    as: 'blob',
  });

export const showInvite = (token: string) =>
  request<Shown & Problem>('/api/v1/invites/show', { method: 'POST', body: { token } });
