/**
 * Which of several regions a page of this server uses, for its chat, the API and the show alike. Where there is one, it is the
 * server that the page is from; pages that have the elements in them name theirs.
 */

import { Regions, systemEnvironment } from '@fanwave/client';

import { earlyFetch } from './early';

let chosen: Regions | null = null;

/** Begins to measure; once, by a page that is to use what is found. */
export function measureRegions(): void {
  chosen = new Regions({
    environment: { ...systemEnvironment(), fetch: earlyFetch },
    storage: {
      load: (key) => localStorage.getItem(key),
      save: (key, text) => localStorage.setItem(key, text),
    },
  });
}

/** The choice; null where none is made. */
export function regions(): Regions | null {
  return chosen;
}
