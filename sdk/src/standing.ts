/** What stands in a room: its mode, its pins, its polls. A pure fold of the events of its `room` lane and of notices. */

import { STANDING_MAX } from './limits.js';
import { type Entry, type Notice, isSaid } from './message.js';
import type { components } from './generated/openapi.js';

/** What a room asks of writers. */
export type Mode = components['schemas']['Settings'];

export interface Pin {
  readonly pin: string;
  readonly text: string;
  /** The message of the chat lane, if it is one. */
  readonly offset?: number;
}

export interface Poll {
  readonly poll: string;
  readonly question: string;
  readonly choices: readonly string[];
  /** Until when, unless it is closed before, Unix ms. */
  readonly until?: number;
  /** Votes per choice, as far as they are known. */
  readonly counts: readonly number[];
  readonly closed: boolean;
}

export interface Standing {
  /** Null until it was said. */
  readonly mode: Mode | null;
  /** Oldest first. */
  readonly pins: readonly Pin[];
  /** Oldest first, those that are closed too. */
  readonly polls: readonly Poll[];
}

export const nothingStands: Standing = { mode: null, pins: [], polls: [] };

/** Takes in something that happened. */
export function withEntry(standing: Standing, entry: Entry): Standing {
  if (isSaid(entry)) return standing;
  const { event } = entry;
  switch (event.type) {
    case 'mode': {
      const { type: _type, ...mode } = event;
      return { ...standing, mode };
    }
    case 'pinned': {
      const { type: _type, ...pin } = event;
      return { ...standing, pins: newest([...standing.pins.filter((other) => other.pin !== pin.pin), pin]) };
    }
    case 'unpinned':
      return { ...standing, pins: standing.pins.filter(({ pin }) => pin !== event.pin) };
    case 'poll_opened': {
      const { type: _type, ...asked } = event;
      const poll: Poll = { ...asked, counts: asked.choices.map(() => 0), closed: false };
      return { ...standing, polls: newest([...standing.polls.filter((other) => other.poll !== poll.poll), poll]) };
    }
    case 'poll_closed':
      return withCounts(standing, event.poll, event.counts, true);
    default:
      return standing;
  }
}

/** Takes in what is true for the moment. */
export function withNotice(standing: Standing, notice: Notice): Standing {
  return notice.type === 'tally' ? withCounts(standing, notice.poll, notice.counts, false) : standing;
}

function withCounts(standing: Standing, id: string, counts: readonly number[], closed: boolean): Standing {
  const polls = standing.polls.map((poll) => (poll.poll === id && !poll.closed ? { ...poll, counts, closed } : poll));
  return { ...standing, polls };
}

function newest<T>(items: readonly T[]): readonly T[] {
  return items.length > STANDING_MAX ? items.slice(items.length - STANDING_MAX) : items;
}
