/**
 * A chat message as the server publishes it. Pure.
 *
 * The wire form of something said is `{"offset":N,"data":{"id","text","name","role","at"},"info":{"user"}}`. Something
 * that happened has a `type` in its data; something that the room only tells in passing has no offset either. What is
 * none of these is dropped: one odd message must never stop a chat.
 */

/** `room` carries artist and staff and loses nothing; `chat` carries the fans. */
export type Lane = 'chat' | 'room';

/** What the sender's signed token says; never what the message says. */
export type Role = 'fan' | 'artist' | 'staff';

/** A message that its room has taken. */
export interface Published {
  readonly lane: Lane;
  /** Its place in the lane. */
  readonly offset: number;
  /** The sender's own id of it: the same sender and id is the same message. */
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly role: Role;
  /** What its sender holds ("VIP"); null for most. */
  readonly badge: string | null;
  readonly text: string;
  /** When the room took it, Unix ms. */
  readonly at: number;
}

/** What else a lane tells that the page acts upon. */
export type Told =
  /** A message of the chat lane is gone for ever. */
  | { readonly kind: 'deleted'; readonly offset: number }
  /** So is all that a user said in the chat lane, up to an offset. */
  | { readonly kind: 'cleared'; readonly user: string; readonly through: number }
  /** So many more messages were said than anybody could read. */
  | { readonly kind: 'more'; readonly count: number }
  /** The server is cut off from the others: nothing can be sent, and nothing new is heard. */
  | { readonly kind: 'paused' }
  /** It is not any more, and what was missed comes now. */
  | { readonly kind: 'resumed' };

/** What the `centrifuge` client hands over for a publication, live or out of the history. */
export interface WirePublication {
  readonly offset?: number | undefined;
  readonly data: unknown;
  readonly info?: { readonly user: string } | undefined;
}

/** Reads a publication; null when it is not a message. */
export function parsePublication(lane: Lane, publication: WirePublication): Published | null {
  const { offset, data, info } = publication;
  if (offset === undefined || typeof data !== 'object' || data === null) return null;
  const { type, id, text, name, role, badge, at } = data as Record<string, unknown>;
  // An event may carry words as well, and is still not something said.
  if (type !== undefined) return null;
  if (typeof text !== 'string' || typeof name !== 'string' || typeof at !== 'number') return null;
  return {
    lane,
    offset,
    id: typeof id === 'string' && id !== '' ? id : `at-${offset}`,
    user: info?.user ?? '',
    name,
    role: role === 'artist' || role === 'staff' ? role : 'fan',
    badge: typeof badge === 'string' && badge !== '' ? badge : null,
    text,
    at,
  };
}

/** Reads what is told beside messages; null when it is nothing that the page acts upon. */
export function parseTold({ data }: WirePublication): Told | null {
  if (typeof data !== 'object' || data === null) return null;
  const { type, offset, user, through, count } = data as Record<string, unknown>;
  if (type === 'deleted' && typeof offset === 'number') return { kind: 'deleted', offset };
  if (type === 'cleared' && typeof user === 'string' && typeof through === 'number') return { kind: 'cleared', user, through };
  if (type === 'more' && typeof count === 'number' && count > 0) return { kind: 'more', count };
  if (type === 'paused' || type === 'resumed') return { kind: type };
  return null;
}

/** What the acknowledgement of the RPC `send` says. */
export interface SendAck {
  readonly offset: number;
  readonly epoch: string;
  readonly at: number;
}

/** Reads an acknowledgement; null when it is none. */
export function parseSendAck(data: unknown): SendAck | null {
  if (typeof data !== 'object' || data === null) return null;
  const { offset, epoch, at } = data as Record<string, unknown>;
  if (typeof offset !== 'number' || typeof epoch !== 'string' || typeof at !== 'number') return null;
  return { offset, epoch, at };
}
