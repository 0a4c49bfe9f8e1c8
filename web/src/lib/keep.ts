/**
 * What the page remembers in the browser between visits.
 *
 * A browser may refuse storage altogether (private windows, embedded frames): the page then works without memory,
 * so every failure here is an absence and never an error.
 */

const PREFIX = 'fanwave.';

/** Reads a remembered value; null when there is none, or it cannot be read. */
export function recall(name: string): unknown {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? null : (JSON.parse(text) as unknown);
  } catch {
    return null;
  }
}

/** Remembers a value, where the browser lets us. */
export function remember(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Without storage the fan is a new guest at the next visit; nothing else is lost.
  }
}
