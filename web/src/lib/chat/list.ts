/**
 * The message list: a pure reducer from what happened to what is shown.
 *
 * Rules it keeps, whatever order things arrive in:
 * 1. A message is shown once. A lane knows its messages by offset; an own message is also known by its id, so that
 *    the acknowledgement and the publication of the same send meet, whichever comes first.
 * 2. Within a lane, messages stand in the order of their offsets. Between the two lanes they are merged by time.
 * 3. Own messages not yet taken stand last, in the order they were written, until they are confirmed or dismissed.
 * 4. No lane keeps more than `MESSAGES_SHOWN_MAX`, and no more rows than that are shown.
 * 5. While the fan reads further up, the rows shown stay as they are; what arrives is only counted.
 * 6. What a moderator deletes goes at once, also from what is being read.
 *
 * It never reads a clock, touches the DOM or knows a socket. `room.svelte.ts` feeds it.
 */

import { MESSAGES_SHOWN_MAX, OUTBOX_MAX } from '../limits';
import type { Lane, Published, Role } from './message';

/** Why an own message was not taken. */
export type FailReason = 'slow-down' | 'refused' | 'unavailable' | 'offline';

/** An own message that its room has not taken yet. */
export interface Outgoing {
  readonly id: string;
  readonly text: string;
  readonly name: string;
  /** When it was written, Unix ms by our clock. */
  readonly at: number;
  /** Null while it is on its way. */
  readonly failed: FailReason | null;
}

/** One line of the chat as it is drawn. */
export interface Row {
  /** Stays the same from pending to sent, so that the element on the page stays too. */
  readonly key: string;
  readonly state: 'pending' | 'sent' | 'failed';
  readonly lane: Lane;
  readonly id: string;
  readonly offset: number | null;
  readonly user: string;
  readonly name: string;
  readonly role: Role;
  readonly badge: string | null;
  readonly text: string;
  readonly at: number;
  readonly own: boolean;
  readonly failed: FailReason | null;
}

interface LaneState {
  /** Null until the first subscription answered. */
  readonly epoch: string | null;
  /** Ascending offsets, each once. */
  readonly messages: readonly Published[];
}

/** The whole state; start with `emptyList`. */
export interface ChatList {
  /** Our user id; null until there is a token. */
  readonly me: string | null;
  readonly lanes: Readonly<Record<Lane, LaneState>>;
  readonly outbox: readonly Outgoing[];
  /** While the fan reads further up: what they see, and how much came since. */
  readonly held: { readonly rows: readonly Row[]; readonly missed: number } | null;
}

/** What can happen to the list. */
export type ChatInput =
  /** A token told who we are. */
  | { readonly kind: 'identified'; readonly user: string }
  /** A subscription stands; offsets of another epoch than before are not comparable with those we hold. */
  | { readonly kind: 'positioned'; readonly lane: Lane; readonly epoch: string }
  /** A message arrived. */
  | { readonly kind: 'published'; readonly message: Published }
  /** A message of the chat lane is gone. */
  | { readonly kind: 'deleted'; readonly offset: number }
  /** All that a user said in the chat lane is gone, up to an offset. */
  | { readonly kind: 'cleared'; readonly user: string; readonly through: number }
  /** A stretch of history was read, in any order. */
  | { readonly kind: 'history'; readonly lane: Lane; readonly epoch: string; readonly messages: readonly Published[] }
  /** The fan sent something. */
  | { readonly kind: 'submitted'; readonly id: string; readonly text: string; readonly name: string; readonly at: number }
  /** The server acknowledged a send. */
  | { readonly kind: 'acknowledged'; readonly id: string; readonly offset: number; readonly epoch: string; readonly at: number }
  /** A send was given up. */
  | { readonly kind: 'failed'; readonly id: string; readonly reason: FailReason }
  /** The fan wants a failed message sent again. */
  | { readonly kind: 'retried'; readonly id: string }
  /** The fan does not want a failed message any more. */
  | { readonly kind: 'dismissed'; readonly id: string }
  /** The fan scrolled up. */
  | { readonly kind: 'held' }
  /** The fan is at the newest message again. */
  | { readonly kind: 'released' };

const EMPTY_LANE: LaneState = { epoch: null, messages: [] };

/** Nothing received, nothing sent. */
export const emptyList: ChatList = {
  me: null,
  lanes: { chat: EMPTY_LANE, room: EMPTY_LANE },
  outbox: [],
  held: null,
};

/** Applies one input. */
export function reduce(list: ChatList, input: ChatInput): ChatList {
  switch (input.kind) {
    case 'identified':
      return { ...list, me: input.user };
    case 'positioned':
      return withEpoch(list, input.lane, input.epoch);
    case 'published':
      return withPublished(list, input.message);
    case 'deleted':
      return withoutChat(list, ({ offset }) => offset === input.offset);
    case 'cleared':
      return withoutChat(list, ({ user, offset }) => user === input.user && offset !== null && offset <= input.through);
    case 'history':
      return withHistory(list, input.lane, input.epoch, input.messages);
    case 'submitted':
      return withSubmitted(list, input);
    case 'acknowledged':
      return withAcknowledged(list, input);
    case 'failed':
      return withOutgoing(list, input.id, (message) => ({ ...message, failed: input.reason }));
    case 'retried':
      return withOutgoing(list, input.id, (message) => ({ ...message, failed: null }));
    case 'dismissed':
      return { ...list, outbox: list.outbox.filter((message) => message.id !== input.id) };
    case 'held':
      return list.held === null ? { ...list, held: { rows: liveRows(list), missed: 0 } } : list;
    case 'released':
      return list.held === null ? list : { ...list, held: null };
  }
}

/** The rows to draw. */
export function rows(list: ChatList): readonly Row[] {
  if (list.held === null) return liveRows(list);
  // Held rows keep their places, but an own message among them may have been confirmed or given up since.
  const now = new Map(liveRows(list).map((row) => [row.key, row]));
  return list.held.rows.map((row) => now.get(row.key) ?? row);
}

/** How many messages came while the fan was reading further up. */
export function missed(list: ChatList): number {
  return list.held?.missed ?? 0;
}

/** Whether one more own message may wait. */
export function outboxHasRoom(list: ChatList): boolean {
  return list.outbox.length < OUTBOX_MAX;
}

/** The newest message of the artist's and staff's lane, for the card above the chat. */
export function stageMessage(list: ChatList): Published | null {
  return list.lanes.room.messages.at(-1) ?? null;
}

function withEpoch(list: ChatList, lane: Lane, epoch: string): ChatList {
  const known = list.lanes[lane];
  if (known.epoch === epoch) return list;
  const messages = known.epoch === null ? known.messages : [];
  return withLane(list, lane, { epoch, messages });
}

function withPublished(list: ChatList, message: Published): ChatList {
  const lane = list.lanes[message.lane];
  const messages = inserted(lane.messages, message);
  const own = message.user !== '' && message.user === list.me;
  const outbox = own ? list.outbox.filter((waiting) => waiting.id !== message.id) : list.outbox;
  const arrived = messages !== lane.messages && !own;
  return {
    ...withLane(list, message.lane, { ...lane, messages }),
    outbox,
    held: list.held === null || !arrived ? list.held : { ...list.held, missed: list.held.missed + 1 },
  };
}

function withoutChat(list: ChatList, isGone: (message: { readonly user: string; readonly offset: number | null }) => boolean): ChatList {
  const { chat } = list.lanes;
  const next = withLane(list, 'chat', { ...chat, messages: chat.messages.filter((message) => !isGone(message)) });
  if (list.held === null) return next;
  const rows = list.held.rows.filter((row) => row.lane !== 'chat' || !isGone(row));
  return { ...next, held: { ...list.held, rows } };
}

function withHistory(list: ChatList, lane: Lane, epoch: string, messages: readonly Published[]): ChatList {
  let next = withEpoch(list, lane, epoch);
  if (messages.length === 0) return next;
  const oldest = messages.reduce((least, message) => Math.min(least, message.offset), Number.POSITIVE_INFINITY);
  const held = next.lanes[lane].messages;
  const isHole = held.some((message) => message.offset < oldest) && !held.some((message) => message.offset === oldest - 1);
  if (isHole) {
    // What we hold ends before this page begins: shown together they would pretend that nothing was said between.
    const kept = held.filter((message) => message.offset >= oldest);
    next = withLane(next, lane, { epoch, messages: kept });
  }
  for (const message of messages) next = withPublished(next, message);
  return { ...next, held: list.held };
}

function withSubmitted(list: ChatList, input: Extract<ChatInput, { kind: 'submitted' }>): ChatList {
  if (!outboxHasRoom(list) || list.outbox.some((message) => message.id === input.id)) return list;
  const { id, text, name, at } = input;
  // Whoever writes wants to see it: the list lets go of what was being read.
  return { ...list, outbox: [...list.outbox, { id, text, name, at, failed: null }], held: null };
}

function withAcknowledged(list: ChatList, input: Extract<ChatInput, { kind: 'acknowledged' }>): ChatList {
  const message = list.outbox.find((waiting) => waiting.id === input.id);
  if (message === undefined) return list;
  const outbox = list.outbox.filter((waiting) => waiting.id !== input.id);
  const { epoch } = list.lanes.chat;
  // An offset of another epoch has no place among ours; the history that follows such a change brings the message.
  if (epoch !== null && epoch !== input.epoch) return { ...list, outbox };
  return withPublished(
    { ...list, outbox },
    {
      lane: 'chat',
      offset: input.offset,
      id: message.id,
      user: list.me ?? '',
      name: message.name,
      role: 'fan',
      badge: null,
      text: message.text,
      at: input.at,
    },
  );
}

function withOutgoing(list: ChatList, id: string, change: (message: Outgoing) => Outgoing): ChatList {
  return { ...list, outbox: list.outbox.map((message) => (message.id === id ? change(message) : message)) };
}

function withLane(list: ChatList, lane: Lane, state: LaneState): ChatList {
  return { ...list, lanes: { ...list.lanes, [lane]: state } };
}

/** Puts a message in its place; the same array when it is known already or older than a full lane. */
function inserted(messages: readonly Published[], message: Published): readonly Published[] {
  let place = messages.length;
  // Nearly always the newest: walking from the end is one step.
  while (place > 0 && (messages[place - 1] as Published).offset > message.offset) place -= 1;
  const before = messages[place - 1];
  if (before?.offset === message.offset) return messages;
  if (place === 0 && messages.length >= MESSAGES_SHOWN_MAX) return messages;
  if (messages.some((other) => other.id === message.id && other.user === message.user)) return messages;
  const next = [...messages.slice(0, place), message, ...messages.slice(place)];
  return next.length > MESSAGES_SHOWN_MAX ? next.slice(next.length - MESSAGES_SHOWN_MAX) : next;
}

function liveRows(list: ChatList): readonly Row[] {
  const taken = merged(list.lanes.chat.messages, list.lanes.room.messages).map((message) => sentRow(message, list.me));
  const all = [...taken, ...list.outbox.map((message) => outgoingRow(message, list.me))];
  return all.length > MESSAGES_SHOWN_MAX ? all.slice(all.length - MESSAGES_SHOWN_MAX) : all;
}

/** Merges two lanes by time without ever disturbing the order within one, even when a server clock stepped back. */
function merged(chat: readonly Published[], room: readonly Published[]): Published[] {
  const out: Published[] = [];
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
const ROWS = new WeakMap<Published, Row>();

function sentRow(message: Published, me: string | null): Row {
  const own = message.user !== '' && message.user === me;
  const known = ROWS.get(message);
  if (known?.own === own) return known;
  const row: Row = {
    ...message,
    key: own ? ownKey(message.lane, message.id) : `${message.lane}:${message.offset}`,
    state: 'sent',
    own,
    failed: null,
  };
  ROWS.set(message, row);
  return row;
}

function outgoingRow(message: Outgoing, me: string | null): Row {
  return {
    key: ownKey('chat', message.id),
    state: message.failed === null ? 'pending' : 'failed',
    lane: 'chat',
    id: message.id,
    offset: null,
    user: me ?? '',
    name: message.name,
    role: 'fan',
    badge: null,
    text: message.text,
    at: message.at,
    own: true,
    failed: message.failed,
  };
}

function ownKey(lane: Lane, id: string): string {
  return `own:${lane}:${id}`;
}
