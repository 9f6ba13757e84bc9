/** The messages of the VideoRoom plugin that a call of two needs. */
export interface PublisherInfo {
  id: number;
  display?: string;
  streams?: { type: string; mid: string; disabled?: boolean }[];
}

export interface RoomMessage {
  videoroom?: 'joined' | 'event' | 'destroyed' | 'attached' | 'updated' | 'slow_link';
  publishers?: PublisherInfo[];
  private_id?: number;
  leaving?: number | 'ok';
  unpublished?: number | 'ok';
  kicked?: number;
  reason?: string;
  error_code?: number;
}

/** What both the publisher's and the subscriber's join must bring. */
export interface Entry {
  room: number;
  pin: string;
  token: string;
}

export const NO_SUCH_FEED = 428;

/**
 * Who publishes in the room, in the order of their coming. Never ourselves: after a lost
 * connection our own ghost may publish for up to a minute.
 */
export class Roster {
  private readonly others = new Map<number, PublisherInfo>();

  constructor(private readonly ownIds: readonly number[]) {}

  add(publishers: PublisherInfo[]): void {
    for (const publisher of publishers) {
      if (this.ownIds.includes(publisher.id)) continue;
      // Deleted first, so that one who comes again counts as the newest.
      this.others.delete(publisher.id);
      this.others.set(publisher.id, publisher);
    }
  }

  remove(id: number): void {
    this.others.delete(id);
  }

  /** The other person: of several, the newest, for the rest are ghosts of theirs. */
  get other(): PublisherInfo | null {
    return [...this.others.values()].at(-1) ?? null;
  }
}

/** Two infos with the same key are the same feed with the same streams. */
export function feedKey(publisher: PublisherInfo): string {
  const streams = (publisher.streams ?? []).map((stream) => `${stream.mid}:${stream.type}`);
  return [publisher.id, ...streams].join(' ');
}
