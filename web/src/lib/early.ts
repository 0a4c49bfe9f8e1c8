/**
 * What the page asks of its server before the rest of it is there: by the time that the page can ask, the answers have come.
 *
 * Small, because everything waits for it: nothing of the SDK is in here. An answer is for one question; whatever is asked a second time,
 * and whatever had no answer, is asked in the ordinary way.
 */

import { friendlyName } from './chat/nickname';
import { chooseLanguage, isLanguage } from './i18n/choose';
import { recall } from './keep';
import { bandwidthOf } from './player/bandwidth';
import { firstMedia, lowest } from './player/begin';

const CHANNELS = '/api/v1/channels';
const GUESTS = '/api/v1/guests';
const REGIONS = '/api/v1/regions';

/** Nobody is interested in an answer from before so long, ms. */
const FRESH_MS = 5_000;

/** On a network that carries less, bit/s, the first picture is in the lowest quality. */
const NARROW_BITS = 4_000_000;

/** What is asked next is waited for so long, ms, by what would keep the page from asking. */
const PATIENCE_MS = 250;

/** Something of the show that was fetched before there was a player: text of a playlist, or media. */
export interface Fetched {
  readonly body: ArrayBuffer;
  /** When it was asked for, when its first byte came and its last, as `performance.now` says. */
  readonly askedAt: number;
  readonly firstAt: number;
  readonly endAt: number;
}

const answers = new Map<string, { readonly answer: Promise<Response>; readonly askedAt: number }>();
const fetched = new Map<string, { readonly what: Promise<Fetched>; readonly askedAt: number }>();

/** Address of the playlist of the quality that the show begins in; null where that is the player's to choose. */
let begun: string | null = null;

/** Resolves once the playlists of that quality are asked for, or nobody will. */
let asked: Promise<unknown> = Promise.resolve();

/**
 * Asks which regions there are, how the show stands, for the first of it, and to be a guest, where the fan is none yet.
 *
 * @param channel the channel of the page's address; null for the server's first
 * @param there resolves once all that the chat needs has come: until then the network belongs to that
 * @param isThere whether it has
 */
export function askEarly(channel: string | null, there: Promise<void>, isThere: () => boolean): void {
  ask('GET', REGIONS);
  const first = channel === null ? firstOf(ask('GET', CHANNELS)) : body(ask('GET', addressOf(channel)));
  let isAsked = () => {};
  asked = new Promise<void>((resolve) => {
    isAsked = resolve;
  });
  void first
    .then(async ({ id, live, playlist }) => {
      // The list says the same of it, and sooner.
      if (channel === null && typeof id === 'string') ask('GET', addressOf(id));
      // Before the show there is none.
      if (live === true && typeof playlist === 'string') await begin(new URL(playlist, location.href).href, there, isThere, isAsked);
    })
    .catch(() => {})
    .finally(isAsked);
  if (recall('guest') !== null) return;
  const kept = recall('language');
  const language = isLanguage(kept) ? kept : chooseLanguage(navigator.languages);
  ask('POST', GUESTS, JSON.stringify({ name: friendlyName(language, Math.random) }));
}

/**
 * Resolves once the browser is fetching what the first picture needs next, and soon in any case: what occupies the page for long begins then, and
 * the network does not wait for it.
 */
export async function untilAsked(): Promise<void> {
  await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}

/** `fetch`, but for what was asked early. */
export const earlyFetch: typeof fetch = (input, init) => {
  if (answers.size === 0) return fetch(input, init);
  const key = keyOf(init?.method ?? 'GET', String(input));
  const known = taken(answers, key);
  return known === null ? fetch(input, init) : known.answer.catch(() => fetch(input, init));
};

/** What was fetched of the show under an address, once; null where nothing was, or too long ago. */
export function takeFetched(address: string): Promise<Fetched> | null {
  return taken(fetched, address)?.what ?? null;
}

/** Address of the playlist of the quality that was begun with, once; null where none was. */
export function takeBegun(): string | null {
  const taken = begun;
  begun = null;
  return taken;
}

/**
 * Fetches the multivariant playlist and, where the network is narrow, the beginning of the lowest quality: it is there when the player is. Where
 * it is not, a better one is no later.
 */
async function begin(address: string, there: Promise<void>, isThere: () => boolean, isAsked: () => void): Promise<void> {
  const multivariant = await textOf(address);
  if (!('MediaSource' in window) || (isThere() && !isNarrow())) return;
  const first = lowest(multivariant, address, (codecs) => MediaSource.isTypeSupported(`video/mp4; codecs="${codecs}"`));
  if (first === null) return;
  begun = first.video;
  const lists = first.audio === null ? [first.video] : [first.video, first.audio];
  const coming = lists.map(async (list) => firstMedia(await textOf(list), list));
  isAsked();
  const media = await Promise.all(coming);
  await there;
  for (const piece of media.flat()) fetchOf(piece);
}

/** Whether the page came slowly; where it has not come yet, nobody has to ask. */
function isNarrow(): boolean {
  const bandwidth = bandwidthOf(performance.getEntriesByType('resource') as PerformanceResourceTiming[]);
  return bandwidth !== null && bandwidth < NARROW_BITS;
}

async function textOf(address: string): Promise<string> {
  return new TextDecoder().decode((await fetchOf(address)).body);
}

function fetchOf(address: string): Promise<Fetched> {
  const askedAt = performance.now();
  const what = fetch(address).then(async (response) => {
    const firstAt = performance.now();
    if (!response.ok) throw new Error(`${response.status}`);
    const media = await response.arrayBuffer();
    return { body: media, askedAt, firstAt, endAt: performance.now() };
  });
  // Whoever takes it hears of it.
  what.catch(() => {});
  fetched.set(address, { what, askedAt });
  return what;
}

/** An answer is for one question, and for so long. */
function taken<Known extends { readonly askedAt: number }>(all: Map<string, Known>, key: string): Known | null {
  const known = all.get(key);
  all.delete(key);
  return known === undefined || performance.now() - known.askedAt > FRESH_MS ? null : known;
}

function ask(method: 'GET' | 'POST', path: string, said?: string): Promise<Response> {
  const post = said === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: said };
  const answer = fetch(path, { method, cache: 'no-store', ...post });
  // Whoever takes it hears of it.
  answer.catch(() => {});
  answers.set(keyOf(method, path), { answer, askedAt: performance.now() });
  return answer;
}

/** What is asked of a server of another region is another question. */
function keyOf(method: string, address: string): string {
  return `${method} ${new URL(address, location.href).href}`;
}

function addressOf(channel: string): string {
  return `${CHANNELS}/${encodeURIComponent(channel)}`;
}

/** What an answer may say: nobody has looked at it yet. */
interface Unread {
  readonly id?: unknown;
  readonly live?: unknown;
  readonly playlist?: unknown;
  readonly channels?: unknown;
}

async function firstOf(answer: Promise<Response>): Promise<Unread> {
  const { channels } = await body(answer);
  return Array.isArray(channels) ? read(channels[0]) : {};
}

/** Reads a copy: the answer itself is for whoever asks. */
async function body(answer: Promise<Response>): Promise<Unread> {
  return read(await (await answer).clone().json());
}

function read(value: unknown): Unread {
  return typeof value === 'object' && value !== null ? value : {};
}
