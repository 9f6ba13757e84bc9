import { type Answer, type Problem, request } from './http';

/** Times without an offset are wall-clock times of the zone: 9:00 stays 9:00 all year. */
export interface SeriesWanted {
  start_time: string;
  end_time: string;
  time_zone: string;
  rrule: string;
}

export interface Series {
  series_id: number;
  bookings: { booking_id: number; start_time: string; end_time: string }[];
}

export interface SeriesCancelled {
  cancelled: unknown[];
  /** What could not be cancelled any more. */
  kept: unknown[];
}

export const bookSeries = (
  token: string,
  wanted: SeriesWanted,
  key: string,
): Promise<Answer<Series & Problem>> =>
  request('/api/v1/series', { method: 'POST', token, key, timeoutMs: 45_000, body: wanted });

export const cancelSeries = (token: string, id: number) =>
  request<SeriesCancelled & Problem>(`/api/v1/series/${id}`, {
    method: 'DELETE',
    token,
    timeoutMs: 45_000,
  });
