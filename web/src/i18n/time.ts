import { locale } from '.';

export function clockTime(moment: Date): string {
  return moment.toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' });
}

export function dayAndTime(moment: Date): string {
  return moment.toLocaleString(locale(), {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
  });
}

/** 4:05, 1:04:05; with days when there are any: 2 d 1:04:05. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  const tail = `${two(minutes)}:${two(seconds % 60)}`;
  if (days > 0) return `${days} d ${hours}:${tail}`;
  if (hours > 0) return `${hours}:${tail}`;
  return `${minutes}:${two(seconds % 60)}`;
}
