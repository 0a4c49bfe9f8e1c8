/** What the attributes of the elements mean. Pure. */

import { isLanguage } from '../lib/i18n/format';
import type { Language } from '../lib/i18n/messages';

/** What an element shows. */
export type Kind = 'both' | 'player' | 'chat';

export type Theme = 'dark' | 'light' | 'auto';

/** The elements, and what each shows. */
export const TAGS = { 'fanwave-show': 'both', 'fanwave-player': 'player', 'fanwave-chat': 'chat' } as const;

/** Dark, for whatever is no theme. */
export function themeOf(value: string | null): Theme {
  return value === 'light' || value === 'auto' ? value : 'dark';
}

/** The language of a tag such as `ko-KR`; null for one that the elements do not speak. */
export function languageOf(value: string | null): Language | null {
  const first = value?.trim().toLowerCase().split('-')[0];
  return isLanguage(first) ? first : null;
}

/**
 * The origin of a server's address; null where it is none.
 *
 * @param value what the attribute says; null or empty: the server that the module is from
 * @param page address of the page, which one without a host is relative to
 */
export function serverOf(value: string | null, module: string, page: string): string | null {
  const said = value?.trim() ?? '';
  try {
    const { protocol, origin } = new URL(said === '' ? module : said, page);
    return protocol === 'http:' || protocol === 'https:' ? origin : null;
  } catch {
    return null;
  }
}

/** The name in a token's claims; null where it has none, or is no token. Nothing is decided by it. */
export function nameIn(token: string): string | null {
  try {
    const body = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
    const name = (JSON.parse(new TextDecoder().decode(bytes)) as { name?: unknown } | null)?.name;
    return typeof name === 'string' ? name : null;
  } catch {
    return null;
  }
}

/** Which element a frame's address asks for. */
export function tagOf(show: string | null): keyof typeof TAGS {
  const known = (Object.keys(TAGS) as (keyof typeof TAGS)[]).find((tag) => TAGS[tag] === show);
  return known ?? 'fanwave-show';
}
