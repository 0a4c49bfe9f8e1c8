/**
 * The return slot of a server that stops: when it would have this fan come back. Pure.
 *
 * The reason of a disconnect with {@link SHUTDOWN} is `shutdown; after=740; prefer=wss://b.example`: fields separated by a
 * semicolon and a space, of which those that are not known are passed over.
 */

/** The code with which a server that stops sends its fans away. */
export const SHUTDOWN = 3001;

/** Nobody is kept out of the chat for longer, whatever a server says, ms. */
export const SLOT_MAX_MS = 60_000;

/**
 * How long to wait before connecting again, ms.
 *
 * @returns null when the server has not said, and the client's own waiting times apply
 */
export function returnAfterMs(code: number, reason: string): number | null {
  if (code !== SHUTDOWN) return null;
  for (const field of reason.split('; ')) {
    const after = /^after=(\d{1,9})$/.exec(field)?.[1];
    if (after !== undefined) return Math.min(Number(after), SLOT_MAX_MS);
  }
  return null;
}
