/** Which language the page speaks. Pure, and without the catalogues: the page's first script asks as well. */

import { LANGUAGES, type Language } from './messages';

/** The first language the fan reads that we speak; English when there is none. */
export function chooseLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split('-')[0];
    const found = LANGUAGES.find((language) => language === base);
    if (found !== undefined) return found;
  }
  return 'en';
}

/** Whether a remembered value is one of our languages. */
export function isLanguage(value: unknown): value is Language {
  return LANGUAGES.some((language) => language === value);
}
