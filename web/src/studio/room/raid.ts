/**
 * Tells a raid from a busy evening, as far as a browser can. Pure.
 *
 * A raid is many strangers at once. Two things are seen here: how many more people follow the chat than a minute ago (the
 * server's count of all servers), and how many of the last minute's messages come from people who had not been seen in the
 * room before. Of a busy chat the server shows a sample; shares stay true in a sample, so the second looks at a share.
 */

import { KNOWN_USERS_MAX } from '../limits';

/** What is looked at together, ms. */
export const WINDOW_MS = 60_000;

/** So many more people within a minute, and half as many again as there were, are not chance. */
const ARRIVALS_MIN = 30;
const ARRIVALS_SHARE = 0.5;

/** So many messages of strangers in a minute, and so large a share of all. */
const STRANGERS_MIN = 20;
const STRANGERS_SHARE = 0.7;

/** Messages kept of the last minute at most: far more than the chat lane shows. */
const SAID_MAX = 6_000;

export interface Raid {
  /** Who had been seen in the room, oldest first. */
  readonly known: ReadonlySet<string>;
  /** The last minute's messages. */
  readonly said: readonly { readonly at: number; readonly stranger: boolean }[];
  /** People in the chat, by time; a minute and one before it. */
  readonly people: readonly { readonly at: number; readonly count: number }[];
}

export interface Verdict {
  readonly level: 'calm' | 'busy' | 'raid';
  /** More people than a minute ago; null until there is such a count. */
  readonly arrivals: number | null;
  readonly messages: number;
  readonly strangers: number;
}

export const noRaid: Raid = { known: new Set(), said: [], people: [] };

/** Somebody whom the history knows is no stranger. */
export function known(raid: Raid, user: string): Raid {
  if (raid.known.has(user)) return raid;
  const all = [...raid.known, user];
  return { ...raid, known: new Set(all.slice(-KNOWN_USERS_MAX)) };
}

/** Somebody says something. */
export function says(raid: Raid, now: number, user: string): Raid {
  const recent = raid.said.filter(({ at }) => now - at < WINDOW_MS);
  const said = [...recent, { at: now, stranger: !raid.known.has(user) }].slice(-SAID_MAX);
  return known({ ...raid, said }, user);
}

/** So many are there. */
export function counts(raid: Raid, now: number, count: number): Raid {
  const people = [...raid.people, { at: now, count }];
  // The newest of those that are older than the window is what the present is compared with.
  const from = people.findLastIndex(({ at }) => now - at >= WINDOW_MS);
  return { ...raid, people: people.slice(Math.max(0, from)) };
}

/** What that looks like. */
export function verdict(raid: Raid, now: number): Verdict {
  const recent = raid.said.filter(({ at }) => now - at < WINDOW_MS);
  const strangers = recent.filter(({ stranger }) => stranger).length;
  const [before] = raid.people;
  const count = raid.people.at(-1)?.count ?? 0;
  const arrivals = before === undefined || raid.people.length < 2 ? null : Math.max(0, count - before.count);
  const isCrowd = arrivals !== null && arrivals >= ARRIVALS_MIN && arrivals >= ARRIVALS_SHARE * (before?.count ?? 0);
  const areStrange = strangers >= STRANGERS_MIN && strangers >= STRANGERS_SHARE * recent.length;
  const level = areStrange ? 'raid' : isCrowd ? 'busy' : 'calm';
  return { level, arrivals, messages: recent.length, strangers };
}
