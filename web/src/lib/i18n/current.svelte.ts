/** The language in use, as a reactive value, and the texts in it. */

import { recall, remember } from '../keep';
import { type Values, chooseLanguage, formatPlural, formatText, isLanguage } from './format';
import type { Language, Plurals, Texts } from './messages';

const KEPT_AS = 'language';

const remembered = recall(KEPT_AS);
let current = $state<Language>(isLanguage(remembered) ? remembered : chooseLanguage(navigator.languages));

/** The language in use. */
export function language(): Language {
  return current;
}

/** Changes the language, now and for later visits. */
export function setLanguage(next: Language): void {
  current = next;
  remember(KEPT_AS, next);
}

/** Changes the language for this visit, as whoever shows the page wants it. */
export function showLanguage(next: Language): void {
  current = next;
}

/** A text in the current language. */
export function t(key: keyof Texts, values?: Values): string {
  return formatText(current, key, values);
}

/** A text with a number in it, in the current language. */
export function plural(key: keyof Plurals, n: number): string {
  return formatPlural(current, key, n);
}
