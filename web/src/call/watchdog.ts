import type { Sample } from './ports';

export const FIRST_LIMIT_MS = 5000;
const LAST_LIMIT_MS = 40_000;
/** Receiver reports are rarer than packets, and a busy server may hold one back. */
const REPORT_LIMIT_MS = 12_000;
/** A page that slept has not seen a silence: one look counts for no more than this. */
const LONGEST_STEP_MS = 2000;

/**
 * Notices a call that is silently dead: the sockets are open and ICE is content, but nothing
 * arrives, or nothing of ours is acknowledged. The link tells the numbers; this tells the verdict.
 */
export class Watchdog {
  private limit = FIRST_LIMIT_MS;
  private last: (Sample & { at: number }) | null = null;
  private unheard = 0;
  private unreported = 0;

  /** A new link has counters of its own. How patient we are survives it. */
  restart(): void {
    this.last = null;
    this.unheard = 0;
    this.unreported = 0;
  }

  /** True when the link should be replaced. */
  sees(sample: Sample, at: number): boolean {
    const last = this.last;
    this.last = { ...sample, at };
    if (!last) return false;
    const step = Math.min(at - last.at, LONGEST_STEP_MS);
    this.listen(last, sample, step);
    this.checkReports(last, sample, step);
    if (this.unheard >= this.limit) {
      // Perhaps it is the other's side that is dead. Replacing ours again and again would only
      // disturb the other's return, so each vain time we wait for longer.
      this.limit = Math.min(this.limit * 2, LAST_LIMIT_MS);
      return true;
    }
    return this.unreported >= REPORT_LIMIT_MS;
  }

  private listen(last: Sample, now: Sample, step: number): void {
    if (now.received === null || last.received === null) {
      this.unheard = 0;
    } else if (now.received !== last.received) {
      this.unheard = 0;
      this.limit = FIRST_LIMIT_MS;
    } else {
      this.unheard += step;
    }
  }

  private checkReports(last: Sample, now: Sample, step: number): void {
    const sending = now.sent !== null && last.sent !== null && now.sent > last.sent;
    if (!sending || now.reported === null || now.reported !== last.reported) this.unreported = 0;
    else this.unreported += step;
  }
}
