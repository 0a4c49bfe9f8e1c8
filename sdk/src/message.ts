/**
 * What a lane carries, parsed once, here. Pure.
 *
 * An entry has its place in the lane: something said, or something that happened. A notice is true for a moment and has
 * none. What is neither is dropped: one odd publication must never stop a chat.
 */

import type { components } from './generated/openapi.js';
import { EVENT_TYPES, NOTICE_TYPES } from './generated/wire.js';

/** `room` carries artist, staff and what happens, and loses nothing; `chat` the fans; `staff` what moderators decide. */
export type LaneName = 'chat' | 'room' | 'staff';

/** What a sender may do; from their signed token, never from the message. */
export type Role = components['schemas']['Role'];

/** The message that another one answers. */
export type ReplyTo = components['schemas']['ReplyTo'];

/** A message that waits for a moderator, in the `staff` lane alone. */
export interface HeldEvent {
  type: 'held';
  message: { user: string; id: string; text: string; name: string; role: Role; lang?: string; badge?: string; reply_to?: ReplyTo };
  /** The room holds everything, or it has a listed word. */
  reason: 'room' | 'word';
}

/** A fan has told the moderators of a message of the chat, in the `staff` lane alone; the entry's sender is the fan. */
export interface ReportedEvent {
  type: 'reported';
  /** Where the message stands in the chat lane. */
  offset: number;
  reason: 'spam' | 'abuse' | 'sexual' | 'private' | 'other';
}

/** What can happen in a room; by its `type`. */
export type RoomEvent = components['schemas']['RoomEvent'] | HeldEvent | ReportedEvent;

/** What every entry has. */
interface Placed {
  readonly lane: LaneName;
  /** Its place in the lane. */
  readonly offset: number;
  /** The sender's own id of it: the same sender and id is the same message. */
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly role: Role;
  /** What the sender holds ("VIP"), if anything. */
  readonly badge?: string;
  /** When the room took it, Unix ms. */
  readonly at: number;
}

/** Something said. `text` is plain text: show it as text, never as markup. */
export interface Said extends Placed {
  readonly text: string;
  /** ISO 639-1, where the room could tell. */
  readonly lang?: string;
  readonly reply_to?: ReplyTo;
}

/** Something that happened. */
export interface Happened extends Placed {
  readonly event: RoomEvent;
}

export type Entry = Said | Happened;

/** True for a moment, in no history. */
export type Notice =
  /** So many messages of a language were said and not shown: nobody could have read them. */
  | { readonly type: 'more'; readonly lang: string; readonly count: number }
  /** So many were shown to others and not sent here: this device reads too slowly. */
  | { readonly type: 'missed'; readonly count: number }
  /** Taps since the last notice. */
  | { readonly type: 'reactions'; readonly counts: Readonly<Record<string, number>> }
  /** How an open poll stands. */
  | { readonly type: 'tally'; readonly poll: string; readonly counts: readonly number[] }
  /** The server is cut off from the others: nothing can be sent, and nothing new is heard. */
  | { readonly type: 'paused' }
  /** It is not any more, and what was missed comes now. */
  | { readonly type: 'resumed' };

/** Compiles only while the types above are those of the server: each name on one side is on the other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
/** Votes are in a lane that nobody is shown. */
type Shown = Exclude<(typeof EVENT_TYPES)[number], 'voted'>;
const sameEvents: Same<RoomEvent['type'], Shown> = true;
const sameNotices: Same<Notice['type'], (typeof NOTICE_TYPES)[number]> = true;
void [sameEvents, sameNotices];

/** What the `centrifuge` client hands over for a publication, live or out of the history. */
export interface WirePublication {
  readonly offset?: number | undefined;
  readonly data: unknown;
  readonly info?: { readonly user: string } | undefined;
}

/** Whether something was said. */
export function isSaid(entry: Entry): entry is Said {
  return 'text' in entry;
}

/** Reads a publication that has a place; null for one that has none, or cannot be read. */
export function parseEntry(lane: LaneName, { offset, data, info }: WirePublication): Entry | null {
  if (!isRecord(data) || !isCount(offset)) return null;
  const { type, text } = data;
  const placed = parsePlaced(lane, offset, data, info?.user);
  if (placed === null) return null;
  // An event may carry words as well, and is still not something said.
  if (type === undefined) return typeof text === 'string' ? said(placed, text, data) : null;
  if (!isOneOf(EVENT_TYPES, type)) return null;
  const { id: _id, name: _name, role: _role, at: _at, badge: _badge, ...event } = data;
  return { ...placed, event: event as unknown as RoomEvent };
}

/** Reads a message of the HTTP API; null when it cannot be read. */
export function parseMessage(lane: LaneName, data: unknown): Entry | null {
  if (!isRecord(data) || !isCount(data['offset'])) return null;
  const placed = parsePlaced(lane, data['offset'], data, data['user']);
  if (placed === null) return null;
  const { event, text } = data;
  if (isRecord(event) && isOneOf(EVENT_TYPES, event['type'])) return { ...placed, event: event as unknown as RoomEvent };
  return typeof text === 'string' ? said(placed, text, data) : null;
}

/** Reads a notice; null when it is none. */
export function parseNotice({ offset, data }: WirePublication): Notice | null {
  if (offset !== undefined && offset !== 0) return null;
  if (!isRecord(data)) return null;
  const { type, count, counts, lang, poll } = data;
  if (!isOneOf(NOTICE_TYPES, type)) return null;
  switch (type) {
    case 'more':
      return isCount(count) ? { type, count, lang: typeof lang === 'string' ? lang : '' } : null;
    case 'missed':
      return isCount(count) ? { type, count } : null;
    case 'reactions':
      return isRecord(counts) && Object.values(counts).every(isCount) ? { type, counts: counts as Record<string, number> } : null;
    case 'tally':
      return typeof poll === 'string' && Array.isArray(counts) && counts.every(isCount) ? { type, poll, counts } : null;
    case 'paused':
    case 'resumed':
      return { type };
  }
}

/** What the acknowledgement of a send says: its place, or that it waits for a moderator. */
export type Acknowledgement =
  | { readonly kind: 'sent'; readonly offset: number; readonly epoch: string; readonly at: number }
  | { readonly kind: 'held' };

/** Reads an acknowledgement; one without a place waits for a moderator. */
export function parseAcknowledgement(data: unknown): Acknowledgement {
  if (!isRecord(data)) return { kind: 'held' };
  const { offset, epoch, at } = data;
  return isCount(offset) && typeof epoch === 'string' && isCount(at) ? { kind: 'sent', offset, epoch, at } : { kind: 'held' };
}

function parsePlaced(lane: LaneName, offset: number, data: Record<string, unknown>, user: unknown): Placed | null {
  const { id, name, role, badge, at } = data;
  if (typeof name !== 'string' || !isCount(at)) return null;
  return {
    lane,
    offset,
    id: typeof id === 'string' && id !== '' ? id : `at-${offset}`,
    user: typeof user === 'string' ? user : '',
    name,
    role: isOneOf(ROLES, role) ? role : 'fan',
    ...(typeof badge === 'string' && badge !== '' ? { badge } : {}),
    at,
  };
}

function said(placed: Placed, text: string, { lang, reply_to: answered }: Record<string, unknown>): Said {
  const isAnswer = isRecord(answered) && isCount(answered['offset']) && typeof answered['user'] === 'string';
  return {
    ...placed,
    text,
    ...(typeof lang === 'string' ? { lang } : {}),
    ...(isAnswer ? { reply_to: { offset: answered['offset'] as number, user: answered['user'] as string } } : {}),
  };
}

const ROLES: readonly Role[] = ['fan', 'member', 'moderator', 'artist', 'staff'];

function isOneOf<T extends string>(names: readonly T[], value: unknown): value is T {
  return (names as readonly unknown[]).includes(value);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A whole number from 0 on that JavaScript knows exactly. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
