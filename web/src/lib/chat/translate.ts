/**
 * The hook for translations: whoever hosts the page supplies a function, and fans are offered it, message by message.
 *
 * Without one there is no button. What it gives back is shown as text and nothing else.
 */

import { MESSAGE_TEXT_CHARS_MAX, TRANSLATE_MS } from '../limits';

/** What is to be translated. */
export interface Untranslated {
  readonly text: string;
  /** ISO 639-1, where the room could tell. */
  readonly from: string | null;
  /** The language of the page. */
  readonly to: string;
}

export type Translate = (message: Untranslated) => Promise<string> | string;

declare global {
  interface Window {
    /** Supplied by whoever hosts the page (docs/watch-page.md). */
    fanwaveTranslate?: Translate;
  }
}

/** The host's function; null where there is none. */
export function translator(): Translate | null {
  const supplied: unknown = window.fanwaveTranslate;
  return typeof supplied === 'function' ? (supplied as Translate) : null;
}

/** Asks for a translation; null when none came in time, or the host had none. */
export async function translated(translate: Translate, message: Untranslated): Promise<string | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), TRANSLATE_MS);
  });
  try {
    const answer: unknown = await Promise.race([Promise.resolve(translate(message)), late]);
    return typeof answer === 'string' && answer !== '' ? answer.slice(0, MESSAGE_TEXT_CHARS_MAX * 4) : null;
  } catch {
    // What fails in the host's own code is the host's to see; the fan reads the original.
    return null;
  } finally {
    clearTimeout(timer);
  }
}
