/** Mentions: `@name` in what is read and in what is being written. Pure. */

import { MENTIONS_OFFERED_MAX, NAME_CHARS_MAX } from '../limits';

/** A piece of a message. */
export interface Piece {
  readonly text: string;
  /** It names the fan who reads it. */
  readonly isMe: boolean;
}

const GOES_ON = /^[\p{L}\p{N}\p{M}_]/u;

/** Cuts a message where it names the reader; one piece where it does not, or nobody knows their name. */
export function pieces(text: string, me: string | null): readonly Piece[] {
  if (me === null || me === '' || !text.includes('@')) return [{ text, isMe: false }];
  const wanted = `@${me.toLowerCase()}`;
  const found: Piece[] = [];
  let from = 0;
  const lower = text.toLowerCase();
  // Letters whose lower case is longer than they are would move every place behind them: such a text is left as it is.
  if (lower.length !== text.length) return [{ text, isMe: false }];
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + 1)) {
    const end = at + wanted.length;
    if (at < from || GOES_ON.test(text.slice(end))) continue;
    if (at > from) found.push({ text: text.slice(from, at), isMe: false });
    found.push({ text: text.slice(at, end), isMe: true });
    from = end;
  }
  if (from < text.length || found.length === 0) found.push({ text: text.slice(from), isMe: false });
  return found;
}

/** Whether a message names the reader. */
export function mentions(text: string, me: string | null): boolean {
  return pieces(text, me).some(({ isMe }) => isMe);
}

/** What is being written after an `@`. */
export interface Mentioning {
  /** Where the `@` is. */
  readonly at: number;
  /** Where the caret is. */
  readonly end: number;
  readonly query: string;
}

/** The name that is being written at the caret; null when none is. */
export function mentioning(draft: string, caret: number): Mentioning | null {
  const at = caret > 0 ? draft.lastIndexOf('@', caret - 1) : -1;
  if (at < 0 || (at > 0 && !/\s/.test(draft[at - 1] ?? ''))) return null;
  const query = draft.slice(at + 1, caret);
  return query.length > NAME_CHARS_MAX * 2 || query.includes('\n') ? null : { at, end: caret, query };
}

/** Names that begin so, those who spoke last first; a name that is written out is not offered any more. */
export function offered(names: Iterable<string>, query: string, me: string | null): readonly string[] {
  const wanted = query.toLowerCase();
  const found = new Set<string>();
  for (const name of names) {
    if (found.size >= MENTIONS_OFFERED_MAX) break;
    const known = name.toLowerCase();
    if (name !== me && known.startsWith(wanted) && known !== wanted) found.add(name);
  }
  return [...found];
}

/** The draft with a name in it, and where the caret goes. */
export function completed(draft: string, { at, end }: Mentioning, name: string): { draft: string; caret: number } {
  const before = `${draft.slice(0, at)}@${name} `;
  return { draft: before + draft.slice(end).replace(/^ /, ''), caret: before.length };
}
