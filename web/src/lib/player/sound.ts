/** The soundtracks a fan can choose from. Pure. */

/** A soundtrack, as the stream announces it. */
export interface Track {
  readonly name: string;
  /** BCP 47; empty where the stream does not say. */
  readonly lang: string;
}

/** A choice in the menu. */
export interface Sound {
  /** Index among the tracks as the player numbers them. */
  readonly track: number;
  /** The stream's own name of it. */
  readonly name: string;
  /** Its language; empty where the stream does not say. */
  readonly lang: string;
}

/** What the menu shows. */
export interface SoundState {
  /** In the order of the stream; empty where there is nothing to choose. */
  readonly choices: readonly Sound[];
  /** The one that plays. */
  readonly chosen: number;
}

/** Before anything is loaded. */
export const noSounds: SoundState = { choices: [], chosen: 0 };

/** The choices among tracks; one alone is none. */
export function soundsOf(tracks: readonly Track[], chosen: number): SoundState {
  if (tracks.length < 2) return noSounds;
  return { choices: tracks.map(({ name, lang }, track) => ({ track, name, lang })), chosen };
}

/**
 * What a track is called in a language: by its own language, and by the stream's name where that says more.
 *
 * @param languageName the name of a language in the fan's; undefined where nobody knows it
 */
export function trackLabel({ name, lang }: Sound, languageName: (lang: string) => string | undefined): string {
  const known = lang === '' ? undefined : languageName(lang);
  if (known === undefined || known === lang) return name === '' ? lang : name;
  const isPlain = name === '' || /^audio( \d+)?$/i.test(name) || name.toLowerCase() === lang.toLowerCase() || name.toLowerCase() === known.toLowerCase();
  return isPlain ? known : `${known} · ${name}`;
}
