/**
 * What the lanes of a room tell, as a moderator needs it: the SDK's entries, sorted by what has to be done about them. Pure.
 */

import { type Entry, type LaneName, type ReportedEvent, type Said, isSaid } from '@fanwave/client';

import type { Role } from '../people/claims';

/** Something that was said. */
export interface Line extends Pick<Said, 'offset' | 'user' | 'name' | 'role' | 'text' | 'at'> {
  readonly lane: 'chat' | 'room';
  readonly badge: string | null;
}

/** Something that waits for review; its offset in the moderators' lane is its name. */
export interface Held {
  readonly held: number;
  readonly user: string;
  readonly name: string;
  readonly role: Role;
  readonly text: string;
  readonly reason: 'room' | 'word';
  readonly at: number;
}

/** What a fan finds wrong with a message. */
export type Reason = ReportedEvent['reason'];

/** One fan's report of a message of the chat. */
export interface Report {
  /** Where the message stands in the chat. */
  readonly offset: number;
  readonly reason: Reason;
  readonly by: string;
  readonly at: number;
}

/** What an entry says. */
export type Told =
  | { readonly kind: 'said'; readonly line: Line }
  | { readonly kind: 'deleted'; readonly offset: number }
  | { readonly kind: 'cleared'; readonly user: string; readonly through: number }
  | { readonly kind: 'held'; readonly message: Held }
  | { readonly kind: 'reviewed'; readonly held: number }
  | { readonly kind: 'reported'; readonly report: Report }
  | { readonly kind: 'dismissed'; readonly offset: number }
  /** The rules may have changed: a mute, a pin, a poll, a mode. */
  | { readonly kind: 'happened' }
  | { readonly kind: 'reset'; readonly lane: LaneName };

/** Sorts an entry. */
export function toldBy(entry: Entry): Told {
  if (isSaid(entry)) {
    const { lane, offset, user, name, role, text, at, badge = null } = entry;
    return lane === 'staff' ? { kind: 'happened' } : { kind: 'said', line: { lane, offset, user, name, role, text, at, badge } };
  }
  const { event, offset, at } = entry;
  switch (event.type) {
    case 'deleted':
      return { kind: 'deleted', offset: event.offset };
    case 'cleared':
      return { kind: 'cleared', user: event.user, through: event.through };
    case 'held': {
      const { user, name, role, text } = event.message;
      return { kind: 'held', message: { held: offset, user, name, role, text, reason: event.reason, at } };
    }
    case 'reviewed':
      return { kind: 'reviewed', held: event.held };
    case 'reported':
      return { kind: 'reported', report: { offset: event.offset, reason: event.reason, by: entry.user, at } };
    case 'reports_dismissed':
      return { kind: 'dismissed', offset: event.offset };
    default:
      return { kind: 'happened' };
  }
}
