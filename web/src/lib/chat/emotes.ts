/** Emotes: `:code:` in what is read and in what is being written. Pure. */

import { EMOTES_DRAWN_MAX, EMOTES_MAX, MENTIONS_OFFERED_MAX } from '../limits';
import type { Mentioning } from './mention';

/** A small picture that stands for its code. */
export interface Emote {
  readonly code: string;
  /** Where the picture is. */
  readonly src: string;
  /** Of the picture, pixels. */
  readonly width: number;
  readonly height: number;
  /** It may move: only whoever likes movement is shown it as it is. */
  readonly moves: boolean;
}

/** By code, in the order of the codes. */
export type Emotes = ReadonlyMap<string, Emote>;

export const noEmotes: Emotes = new Map();

/** A piece of a message: its text, and the emote that stands for it, if one does. */
export interface Drawn {
  readonly text: string;
  readonly emote: Emote | null;
}

const CODE = /^[a-z0-9_]{2,32}$/;

/** The same between colons, anywhere. */
const NAMED = /:([a-z0-9_]{2,32}):/g;

/**
 * Reads the server's list; what cannot be read is left out.
 *
 * @param base address of the server that was asked
 */
export function emotesOf(body: unknown, base: string): Emotes {
  const list: unknown = isRecord(body) ? body['emotes'] : null;
  const read = (Array.isArray(list) ? list : []).slice(0, EMOTES_MAX).flatMap((item) => emoteOf(item, base) ?? []);
  return new Map(read.map((emote) => [emote.code, emote]));
}

function emoteOf(item: unknown, base: string): Emote | null {
  if (!isRecord(item)) return null;
  const { code, image, width, height, media_type: type } = item;
  const isKnown = typeof code === 'string' && CODE.test(code) && typeof image === 'string' && URL.canParse(image, base);
  if (!isKnown || !isSide(width) || !isSide(height)) return null;
  const [at, from] = [new URL(image, base), new URL(base)];
  // A picture of another server would tell that one who reads here.
  if (at.origin !== from.origin) return null;
  return { code, src: at.href, width, height, moves: type !== 'image/png' };
}

function isSide(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Whether there may be anything to draw in a text. */
export function mayName(text: string, emotes: Emotes): boolean {
  return emotes.size > 0 && text.includes(':');
}

/** Cuts a text where it names emotes; what names none stays as it was written, and so does what comes after too many. */
export function drawn(text: string, emotes: Emotes): readonly Drawn[] {
  if (!mayName(text, emotes)) return [{ text, emote: null }];
  const pieces: Drawn[] = [];
  let [from, count] = [0, 0];
  NAMED.lastIndex = 0;
  for (let found = NAMED.exec(text); found !== null && count < EMOTES_DRAWN_MAX; found = NAMED.exec(text)) {
    const emote = emotes.get(found[1] ?? '');
    if (emote === undefined) {
      // The colon behind what is none may be in front of one.
      NAMED.lastIndex -= 1;
      continue;
    }
    if (found.index > from) pieces.push({ text: text.slice(from, found.index), emote: null });
    pieces.push({ text: found[0], emote });
    from = NAMED.lastIndex;
    count += 1;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), emote: null });
  return pieces;
}

/** The code that is being written at the caret, from its colon on; null when none is. */
export function naming(draft: string, caret: number): Mentioning | null {
  const found = /(?:^|[^a-z0-9_:]):([a-z0-9_]{1,32})$/i.exec(draft.slice(0, caret));
  const query = found?.[1];
  return query === undefined ? null : { at: caret - query.length - 1, end: caret, query };
}

/** Emotes for what is written so far: those whose code begins so, and then those that have it inside. */
export function offeredEmotes(emotes: Emotes, query: string): readonly Emote[] {
  const wanted = query.toLowerCase();
  const all = [...emotes.values()];
  const begins = all.filter(({ code }) => code.startsWith(wanted));
  const has = all.filter(({ code }) => !code.startsWith(wanted) && code.includes(wanted));
  return [...begins, ...has].slice(0, MENTIONS_OFFERED_MAX);
}

/** The draft with an emote from one place to another, and where the caret goes. */
export function withEmote(draft: string, [from, to]: readonly [number, number], { code }: Emote): { draft: string; caret: number } {
  const before = draft.slice(0, from);
  const gap = before === '' || /\s$/.test(before) ? '' : ' ';
  const put = `${before}${gap}:${code}: `;
  return { draft: put + draft.slice(to).replace(/^ /, ''), caret: put.length };
}
