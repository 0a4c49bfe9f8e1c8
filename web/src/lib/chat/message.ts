/**
 * A chat message as the server publishes it. Pure.
 *
 * The wire form is `{"offset":N,"data":{"id","text","name","role","at"},"info":{"user"}}`. What does not have it is
 * dropped: one odd message must never stop a chat.
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
  readonly text: string;
  /** When the room took it, Unix ms. */
  readonly at: number;
}

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
  const { id, text, name, role, at } = data as Record<string, unknown>;
  if (typeof text !== 'string' || typeof name !== 'string' || typeof at !== 'number') return null;
  return {
    lane,
    offset,
    id: typeof id === 'string' && id !== '' ? id : `at-${offset}`,
    user: info?.user ?? '',
    name,
    role: role === 'artist' || role === 'staff' ? role : 'fan',
    text,
    at,
  };
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
