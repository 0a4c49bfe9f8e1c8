/** The studio's texts in the language in use, and numbers and times as that language writes them. */

import { language } from '../../lib/i18n/current.svelte';
import type { Language } from '../../lib/i18n/messages';
import { type StudioTexts, en } from './en';
import { es } from './es';
import { fill } from './fill';
import { ja } from './ja';
import { ko } from './ko';
import { th } from './th';

const CATALOGUES: Readonly<Record<Language, StudioTexts>> = { ko, en, ja, es, th };

export type Key = keyof StudioTexts;

/** A text. */
export function s(key: Key, values: Readonly<Record<string, string | number>> = {}): string {
  return fill(CATALOGUES[language()][key], values);
}

/** A number. */
export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(language(), { maximumFractionDigits: digits }).format(value);
}

/** Bits per second, as encoders are set. */
export function bitrate(bits: number): string {
  return bits >= 1_000_000 ? `${number(bits / 1_000_000, 2)} Mbit/s` : `${number(bits / 1_000)} kbit/s`;
}

/** Bytes, in powers of ten. */
export function bytes(count: number): string {
  if (count >= 1e9) return `${number(count / 1e9, 2)} GB`;
  if (count >= 1e6) return `${number(count / 1e6, 1)} MB`;
  return count >= 1e3 ? `${number(count / 1e3)} kB` : `${number(count)} B`;
}

/** Milliseconds; seconds, where there are many. */
export function millis(ms: number): string {
  return Math.abs(ms) >= 10_000 ? `${number(ms / 1000, 1)} s` : `${number(ms)} ms`;
}

/** A span of so many seconds, in the largest unit that it is a multiple of. */
export function span(seconds: number): string {
  if (seconds % 86_400 === 0) return s('for.days', { n: number(seconds / 86_400) });
  if (seconds % 3_600 === 0) return s('for.hours', { n: number(seconds / 3_600) });
  return seconds % 60 === 0 ? s('for.minutes', { n: number(seconds / 60) }) : s('for.seconds', { n: number(seconds) });
}

/** Two times with their days and the time zone they are told in: from when to when. */
export function between(from: number, to: number): string {
  const parts = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', hour: 'numeric', minute: '2-digit', timeZoneName: 'short' } as const;
  return new Intl.DateTimeFormat(language(), parts).formatRange(from, to);
}

/** A sum of money, in a currency by its three letters. */
export function money(value: number, currency: string): string {
  return new Intl.NumberFormat(language(), { style: 'currency', currency }).format(value);
}

/** A time of the day with its seconds, and the date where it is not today. */
export function moment(at: number): string {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(language(), isToday ? { timeStyle: 'medium' } : { dateStyle: 'medium', timeStyle: 'short' }).format(at);
}
