/**
 * What the page asks of its server before the rest of it is there: by the time that the page can ask, the answers have come.
 *
 * Small, because everything waits for it: nothing of the SDK is in here. An answer is for one question; whatever is asked a second time,
 * and whatever had no answer, is asked in the ordinary way.
 */

import { friendlyName } from './chat/nickname';
import { chooseLanguage, isLanguage } from './i18n/choose';
import { recall } from './keep';

const CHANNELS = '/api/v1/channels';
const GUESTS = '/api/v1/guests';
const REGIONS = '/api/v1/regions';

/** Nobody is interested in an answer from before so long, ms. */
const FRESH_MS = 5_000;

const answers = new Map<string, { readonly answer: Promise<Response>; readonly askedAt: number }>();

/**
 * Asks which regions there are, how the show stands, for its playlist, and to be a guest, where the fan is none yet.
 *
 * @param channel the channel of the page's address; null for the server's first
 */
export function askEarly(channel: string | null): void {
  ask('GET', REGIONS);
  const named = channel === null ? firstOf(ask('GET', CHANNELS)) : Promise.resolve(channel);
  void named.then(async (id) => {
    if (id === null) return;
    const { live, playlist } = (await body(ask('GET', `${CHANNELS}/${encodeURIComponent(id)}`))) as { live?: unknown; playlist?: unknown };
    // The player finds it in the browser's cache. Before the show there is none.
    if (live === true && typeof playlist === 'string') await fetch(playlist);
  }).catch(() => {});
  if (recall('guest') !== null) return;
  const kept = recall('language');
  const language = isLanguage(kept) ? kept : chooseLanguage(navigator.languages);
  ask('POST', GUESTS, JSON.stringify({ name: friendlyName(language, Math.random) }));
}

/** `fetch`, but for what was asked early. */
export const earlyFetch: typeof fetch = (input, init) => {
  if (answers.size === 0) return fetch(input, init);
  const key = keyOf(init?.method ?? 'GET', String(input));
  const known = answers.get(key);
  answers.delete(key);
  if (known === undefined || performance.now() - known.askedAt > FRESH_MS) return fetch(input, init);
  return known.answer.catch(() => fetch(input, init));
};

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

async function firstOf(answer: Promise<Response>): Promise<string | null> {
  const { channels } = (await body(answer)) as { channels?: readonly { id?: unknown }[] };
  const id = channels?.[0]?.id;
  return typeof id === 'string' ? id : null;
}

/** Reads a copy: the answer itself is for whoever asks. */
async function body(answer: Promise<Response>): Promise<object> {
  const read: unknown = await (await answer).clone().json();
  return typeof read === 'object' && read !== null ? read : {};
}
