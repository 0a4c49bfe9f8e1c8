/** The audit log of a room: what was done, by whom, and whether it can be undone. Pure. */

import { member } from '../call';
import type { Key } from '../i18n/texts.svelte';
import { list, optional, text } from './rules';

export interface Entry {
  readonly id: string;
  readonly at: number;
  readonly by: string;
  readonly action: string;
  /** Whom or what it was about, for people. */
  readonly about: string;
  readonly undone: boolean;
  /** It has undone another act. */
  readonly undoes: boolean;
  readonly undoable: boolean;
  /** The user it was done to, if it was done to one. */
  readonly user: string | null;
}

/** What the server takes back; it refuses the others (docs/server-api.md). */
const UNDOABLE: readonly string[] = ['muted', 'banned', 'pardoned', 'mode', 'pinned', 'unpinned', 'words'];

/** The name of an action in the catalogue. */
export const ACTION_KEYS: Readonly<Record<string, Key>> = {
  deleted: 'log.deleted',
  cleared: 'log.cleared',
  muted: 'log.muted',
  banned: 'log.banned',
  pardoned: 'log.pardoned',
  mode: 'log.mode',
  pinned: 'log.pinned',
  unpinned: 'log.unpinned',
  gift: 'log.gift',
  poll_opened: 'log.poll_opened',
  poll_closed: 'log.poll_closed',
  announced: 'log.announced',
  reviewed: 'log.reviewed',
  reports_dismissed: 'log.reports_dismissed',
  words: 'log.words',
};

/** Reads a page of the log. */
export function entriesOf(body: unknown): { readonly entries: readonly Entry[]; readonly next: number | null } {
  return { entries: list(body, 'acts').map(entry), next: optional(body, 'next_before') };
}

function entry(act: unknown): Entry {
  const event = member(act, 'event');
  const action = text(act, 'action');
  const undone = member(act, 'undone_by') !== undefined;
  const user = text(event, 'user');
  return {
    id: text(act, 'id'),
    at: Number(member(act, 'at') ?? 0),
    by: text(member(act, 'by'), 'name'),
    action,
    about: about(act, event),
    undone,
    undoes: member(act, 'undoes') !== undefined,
    undoable: !undone && UNDOABLE.includes(action),
    user: user === '' ? null : user,
  };
}

function about(act: unknown, event: unknown): string {
  const direct = [text(act, 'text'), text(event, 'text'), text(event, 'question'), text(event, 'user'), text(event, 'language')].find((found) => found !== '');
  if (direct !== undefined) return direct;
  const switches = ['members_only', 'emoji_only', 'hold', 'shield'].filter((name) => member(event, name) === true);
  const slow = optional(event, 'slow_seconds');
  const followers = optional(event, 'followers_minutes');
  return [...switches, ...(slow ? [`slow_seconds ${slow}`] : []), ...(followers === null ? [] : [`followers_minutes ${followers}`])].join(', ');
}
