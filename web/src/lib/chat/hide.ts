/** Whom and what a fan does not want to see: kept in their browser alone, and nobody else is told. Pure. */

import { HIDDEN_MESSAGES_MAX, HIDDEN_USERS_MAX } from '../limits';

export interface Hidden {
  /** Ids of people, oldest first. */
  readonly users: readonly string[];
  /** Sender and id of messages, oldest first. */
  readonly messages: readonly string[];
}

/** What a message is known by. */
export interface Spoken {
  readonly user: string;
  readonly id: string;
}

/** Nobody and nothing. */
export const nothingHidden: Hidden = { users: [], messages: [] };

/** Reads what was kept; what cannot be read is as good as nothing. */
export function parseHidden(value: unknown): Hidden {
  if (typeof value !== 'object' || value === null) return nothingHidden;
  const { users, messages } = value as { users?: unknown; messages?: unknown };
  return { users: newest(strings(users), HIDDEN_USERS_MAX), messages: newest(strings(messages), HIDDEN_MESSAGES_MAX) };
}

/** Without somebody. */
export function withoutUser(hidden: Hidden, user: string): Hidden {
  return { ...hidden, users: newest([...hidden.users.filter((other) => other !== user), user], HIDDEN_USERS_MAX) };
}

/** Without one message. */
export function withoutMessage(hidden: Hidden, spoken: Spoken): Hidden {
  const key = keyOf(spoken);
  return { ...hidden, messages: newest([...hidden.messages.filter((other) => other !== key), key], HIDDEN_MESSAGES_MAX) };
}

/** What tells whether a message is to be left out. */
export function hides({ users, messages }: Hidden): (spoken: Spoken) => boolean {
  const [people, said] = [new Set(users), new Set(messages)];
  return people.size + said.size === 0 ? () => false : (spoken) => people.has(spoken.user) || said.has(keyOf(spoken));
}

function keyOf({ user, id }: Spoken): string {
  return `${user}/${id}`;
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function newest(items: readonly string[], most: number): readonly string[] {
  return items.length > most ? items.slice(items.length - most) : items;
}
