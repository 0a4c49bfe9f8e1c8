/** What the address of the overlay says about how it looks. Whatever is no such value is as if it were not there. Pure. */

import { isLanguage } from '../lib/i18n/format';
import type { Language } from '../lib/i18n/messages';

/** Font size, px: what can be read on a stream of 480 lines, to what fills a wall. */
export const SIZE = { least: 12, usual: 28, most: 120 };

/** Messages at a time; fifty lines are more than any picture has. */
export const MESSAGES = { least: 1, usual: 12, most: 50 };

/** Seconds until a message begins to fade; 0: it stays until newer ones take its place. */
export const FADE_SECONDS = { least: 0, usual: 30, most: 3_600 };

export interface OverlayOptions {
  readonly size: number;
  readonly messages: number;
  /** Milliseconds; null: never. */
  readonly fadeMs: number | null;
  readonly badges: boolean;
  /** Also what artist and staff say in the lane of their own. */
  readonly stage: boolean;
  readonly align: 'left' | 'right';
  /** Of the badges; null: the browser's. */
  readonly lang: Language | null;
}

/** Reads a query, `?size=40&max=8`. */
export function overlayOptions(search: string): OverlayOptions {
  const said = new URLSearchParams(search);
  const fade = number(said.get('fade'), FADE_SECONDS);
  const lang = said.get('lang');
  return {
    size: number(said.get('size'), SIZE),
    messages: Math.floor(number(said.get('max'), MESSAGES)),
    fadeMs: fade === 0 ? null : fade * 1_000,
    badges: said.get('badges') !== '0',
    stage: said.get('stage') !== '0',
    align: said.get('align') === 'right' ? 'right' : 'left',
    lang: isLanguage(lang) ? lang : null,
  };
}

/** `/overlay/ID` names a channel; null: the server's first. */
export function overlayChannel(pathname: string): string | null {
  return /^\/overlay\/([A-Za-z0-9._-]{1,64})\/?$/.exec(pathname)?.[1] ?? null;
}

function number(text: string | null, { least, usual, most }: typeof SIZE): number {
  const value = text === null || text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : usual;
}
