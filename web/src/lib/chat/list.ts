/**
 * The message list: a pure reducer from what the room has to what is drawn.
 *
 * The SDK's room keeps lanes and own messages in order, each once. What is decided here:
 * 1. The two lanes are merged by time, without disturbing the order within one.
 * 2. Own messages that are taken stand in their place; those that are not stand last, in the order they were written.
 * 3. No more than `MESSAGES_FOLLOWED_MAX` rows are drawn; while the fan reads further up, `MESSAGES_SHOWN_MAX`.
 * 4. While the fan reads further up, the rows stay as they are; what arrives is only counted.
 * 5. What is taken away goes at once, also from what is being read, and from what quotes it.
 * 6. What the fan has hidden is not drawn.
 *
 * It never reads a clock, touches the DOM or knows a socket. `room.svelte.ts` feeds it.
 */

import { type Entry, type LaneName, type Outgoing, type Refusal, type ReplyTo, type Role, type Said, isOpen, isSaid } from '@fanwave/client';

import { MESSAGES_DRAWN_FIRST, MESSAGES_DRAWN_STEP, MESSAGES_DRAWN_STEP_MAX, MESSAGES_FOLLOWED_MAX, MESSAGES_SHOWN_MAX } from '../limits';
import type { Spoken } from './hide';
import { mentions } from './mention';

/** Why an own message was not taken. */
export type FailReason = 'slow-down' | 'refused' | 'unavailable' | 'offline';

/** The message that another one answers, as far as it is there. */
export interface Quote {
  readonly offset: number;
  readonly name: string;
  readonly text: string;
}

/** One line of the chat as it is drawn. */
export interface Row {
  /** Stays the same from pending to sent, so that the element on the page stays too. */
  readonly key: string;
  readonly state: 'pending' | 'sent' | 'failed';
  readonly lane: LaneName;
  readonly id: string;
  readonly offset: number | null;
  readonly user: string;
  readonly name: string;
  readonly role: Role;
  readonly badge: string | null;
  readonly text: string;
  /** ISO 639-1, where the room could tell. */
  readonly lang: string | null;
  readonly quote: Quote | null;
  /** It names the fan, or answers them. */
  readonly forMe: boolean;
  readonly at: number;
  readonly own: boolean;
  readonly failed: FailReason | null;
}

/** What the room has now. */
export interface Present {
  /** Our user id; null until there is a token. */
  readonly me: string | null;
  /** Under which name we write. */
  readonly name: string;
  readonly chat: readonly Entry[];
  readonly room: readonly Entry[];
  readonly outgoing: readonly Outgoing[];
  /** What the fan does not want to see. */
  readonly isHidden: (spoken: Spoken) => boolean;
}

/** The whole state; start with `emptyList`. */
export interface ChatList {
  readonly present: Present;
  /** While the fan reads further up: what they see, and how much came since. */
  readonly held: { readonly rows: readonly Row[]; readonly missed: number } | null;
}

/** What can happen to the list. */
export type ChatInput =
  /** The room has changed. */
  | { readonly kind: 'present'; readonly present: Present }
  /** Something of somebody else's is to be seen. */
  | { readonly kind: 'arrived' }
  /** These are not to be seen any more. */
  | { readonly kind: 'hidden'; readonly entries: readonly Entry[] }
  /** Nothing of a lane is, because it has begun anew. */
  | { readonly kind: 'reset'; readonly lane: LaneName }
  /** The fan scrolled up. */
  | { readonly kind: 'held' }
  /** The fan is at the newest message again, or writes and wants to see it. */
  | { readonly kind: 'released' };

/** Nothing received, nothing sent. */
export const emptyList: ChatList = { present: { me: null, name: '', chat: [], room: [], outgoing: [], isHidden: () => false }, held: null };

/** Applies one input. */
export function reduce(list: ChatList, input: ChatInput): ChatList {
  const { held } = list;
  switch (input.kind) {
    case 'present':
      return { ...list, present: input.present };
    case 'arrived':
      return held === null ? list : { ...list, held: { ...held, missed: held.missed + 1 } };
    case 'hidden':
      return withoutHeld(list, input.entries);
    case 'reset':
      return withoutLane(list, input.lane);
    case 'held':
      return held === null ? { ...list, held: { rows: liveRows(list.present, MESSAGES_SHOWN_MAX), missed: 0 } } : list;
    case 'released':
      return held === null ? list : { ...list, held: null };
  }
}

/** The rows to draw. */
export function rows({ present, held }: ChatList): readonly Row[] {
  if (held === null) return liveRows(present, MESSAGES_FOLLOWED_MAX);
  // Held rows keep their places, but an own message among them may have been confirmed or given up since.
  const now = new Map(liveRows(present, MESSAGES_SHOWN_MAX).map((row) => [row.key, row]));
  return held.rows.map((row) => now.get(row.key) ?? row).filter((row) => row.lane !== 'chat' || !present.isHidden(row));
}

/**
 * What of `next` to draw after `drawn`, so that no drawing takes a slow phone long: few new lines of others at a time, and a few more the further the
 * list is behind, or it would fall behind ever further. Where nothing that was drawn is left, the newest come first. The rest follows with the next
 * drawings: what is newer than the lines that are there from the oldest on, and then what is older from the newest on.
 */
export function paced(drawn: readonly Row[], next: readonly Row[]): readonly Row[] {
  const known = new Set(drawn.map(({ key }) => key));
  const isFresh = ({ key, own }: Row) => !own && !known.has(key);
  const first = next.findIndex(({ key }) => known.has(key));
  const older = next.slice(0, first < 0 ? next.length : first).filter(isFresh);
  const newer = first < 0 ? [] : next.slice(first).filter(isFresh);
  const behind = older.length + newer.length;
  const step = first < 0 ? MESSAGES_DRAWN_FIRST : Math.min(MESSAGES_DRAWN_STEP_MAX, Math.max(MESSAGES_DRAWN_STEP, Math.ceil(behind / 3)));
  if (behind <= step) return next;
  const now = newer.slice(0, step);
  const drawnNow = new Set([...older.slice(older.length - (step - now.length)), ...now]);
  return next.filter((row) => !isFresh(row) || drawnNow.has(row));
}

/** Whether the fan reads further up: then the list stands still. */
export function isHeld({ held }: ChatList): boolean {
  return held !== null;
}

/** How many messages came while the fan was reading further up. */
export function missed({ held }: ChatList): number {
  return held?.missed ?? 0;
}

/** The newest message of the artist's and staff's lane, for the card above the chat. */
export function stageMessage({ present }: ChatList): Said | null {
  return present.room.findLast(isSaid) ?? null;
}

function withoutHeld(list: ChatList, entries: readonly Entry[]): ChatList {
  const { held } = list;
  if (held === null) return list;
  const isGone = (lane: LaneName, offset: number | null) => entries.some((entry) => entry.lane === lane && entry.offset === offset);
  const kept = held.rows.filter((row) => !isGone(row.lane, row.offset));
  const rows = kept.map((row) => (row.quote !== null && isGone(row.lane, row.quote.offset) ? { ...row, quote: null } : row));
  return { ...list, held: { ...held, rows } };
}

function withoutLane(list: ChatList, lane: LaneName): ChatList {
  const { held } = list;
  return held === null ? list : { ...list, held: { ...held, rows: held.rows.filter((row) => row.lane !== lane || row.offset === null) } };
}

function liveRows({ me, name, chat, room, outgoing, isHidden }: Present, most: number): readonly Row[] {
  const quoted = (answered: ReplyTo | undefined): Quote | null => {
    const found = answered === undefined ? undefined : entryAt(chat, answered.offset);
    return found === undefined || !isSaid(found) || isHidden(found) ? null : quoteOf(found);
  };
  const known = new Set(chat.filter(({ user }) => user === me).map(({ id }) => id));
  const mine = outgoing
    .filter(({ lane, id }) => lane === 'chat' && !known.has(id))
    .map((message) => outgoingRow(message, me, name, quoted(message.reply_to)));
  const placed = mine.filter(({ offset }) => offset !== null);
  // Nothing older than so many can be among the newest, and what is hidden makes room for what is not.
  const said = newest(chat.filter((entry) => isSaid(entry) && !isHidden(entry)) as Said[], most).map((entry) => sentRow(entry, me, name, quoted(entry.reply_to)));
  const inPlace = placed.length === 0 ? said : [...said, ...placed].sort((a, b) => (a.offset ?? 0) - (b.offset ?? 0));
  const staged = newest(room.filter(isSaid), most).map((entry) => sentRow(entry, me, name, null));
  return newest([...merged(inPlace, staged), ...mine.filter(({ offset }) => offset === null)], most);
}

function newest<T>(items: readonly T[], most: number): readonly T[] {
  return items.length > most ? items.slice(items.length - most) : items;
}

/** Entries ascend by offset. */
function entryAt(entries: readonly Entry[], offset: number): Entry | undefined {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle]?.offset ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  return entries[low]?.offset === offset ? entries[low] : undefined;
}

const QUOTES = new WeakMap<Said, Quote>();

function quoteOf(entry: Said): Quote {
  const known = QUOTES.get(entry);
  if (known !== undefined) return known;
  const quote = { offset: entry.offset, name: entry.name, text: entry.text };
  QUOTES.set(entry, quote);
  return quote;
}

/** Merges two lanes by time without ever disturbing the order within one, even when a server clock stepped back. */
function merged(chat: readonly Row[], room: readonly Row[]): Row[] {
  const out: Row[] = [];
  let fromChat = 0;
  for (const staged of room) {
    for (let next = chat[fromChat]; next !== undefined && next.at <= staged.at; next = chat[fromChat]) {
      out.push(next);
      fromChat += 1;
    }
    out.push(staged);
  }
  return out.concat(chat.slice(fromChat));
}

/** Rows already made: a row that did not change is the same object, and the page does not touch its element. */
const ROWS = new WeakMap<Said, { readonly row: Row; readonly reader: string }>();

function sentRow(entry: Said, me: string | null, reader: string, quote: Quote | null): Row {
  const { lane, offset, id, user, name, role, badge, text, lang, at, reply_to: answered } = entry;
  const own = user !== '' && user === me;
  const known = ROWS.get(entry);
  if (known?.row.own === own && known.row.quote === quote && known.reader === reader) return known.row;
  const row: Row = {
    key: own ? ownKey(lane, id) : `${lane}:${offset}`,
    state: 'sent',
    lane,
    id,
    offset,
    user,
    name,
    role,
    badge: badge ?? null,
    text,
    lang: lang ?? null,
    quote,
    forMe: !own && ((me !== null && answered?.user === me) || mentions(text, reader)),
    at,
    own,
    failed: null,
  };
  ROWS.set(entry, { row, reader });
  return row;
}

function outgoingRow(message: Outgoing, me: string | null, name: string, quote: Quote | null): Row {
  const { id, lane, text, at, state, place, refusal } = message;
  const waits = isOpen(message) || state === 'held';
  return {
    key: ownKey(lane, id),
    state: state === 'sent' ? 'sent' : waits ? 'pending' : 'failed',
    lane,
    id,
    offset: state === 'sent' ? (place?.offset ?? null) : null,
    user: me ?? '',
    name,
    role: 'fan',
    badge: null,
    text,
    lang: null,
    quote,
    forMe: false,
    at: place?.at ?? at,
    own: true,
    failed: waits || refusal === undefined ? null : REASONS[refusal],
  };
}

const REASONS: Readonly<Record<Refusal, FailReason>> = {
  'too-fast': 'slow-down',
  'not-allowed': 'refused',
  unavailable: 'unavailable',
  offline: 'offline',
};

function ownKey(lane: LaneName, id: string): string {
  return `own:${lane}:${id}`;
}
