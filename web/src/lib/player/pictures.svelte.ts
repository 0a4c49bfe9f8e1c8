/**
 * The small pictures of a show, as the bar asks for them: the list of them is fetched when somebody looks, and again while they do.
 *
 * A show without pictures is one without a list; nothing else depends on it.
 */

import { THUMBNAILS_CHARS_MAX, THUMBNAILS_FRESH_MS } from '../limits';
import { type Thumbnail, parseThumbnails, thumbnailAt } from './thumbnails';

/** A small picture with its whole address. */
export type Picture = Thumbnail & { readonly url: string };

export class Pictures {
  #track = $state.raw<readonly Thumbnail[]>([]);
  #url: string | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;

  /** Somebody looks: makes sure that the list is fresh. */
  look(url: string | null): void {
    const now = performance.now();
    if (url === null || (url === this.#url && now - this.#askedAt < THUMBNAILS_FRESH_MS)) return;
    this.#url = url;
    this.#askedAt = now;
    void this.#ask(url);
  }

  /** The picture of a moment, Unix ms; null where there is none. */
  at(date: number | null): Picture | null {
    const found = date === null || this.#url === null ? null : thumbnailAt(this.#track, date);
    return found === null || this.#url === null ? null : { ...found, url: new URL(found.file, this.#url).href };
  }

  async #ask(url: string): Promise<void> {
    try {
      const answer = await fetch(url);
      const text = answer.ok ? await answer.text() : '';
      if (url === this.#url) this.#track = text.length > THUMBNAILS_CHARS_MAX ? [] : parseThumbnails(text);
    } catch {
      // Without an answer what was known is as good as it was.
    }
  }
}
