/** A colour for a name, the same on every screen. Pure. */

/** How many name colours the style sheet has (`--name-0` and on). */
export const NAME_HUES = 8;

/** Which of them a user has: FNV-1a over the id, so that neighbours in the id space differ. */
export function nameHue(user: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < user.length; at += 1) {
    hash = Math.imul(hash ^ user.charCodeAt(at), 0x01000193) >>> 0;
  }
  // The low bits of FNV-1a alone are weak: fold the high ones in.
  return ((hash ^ (hash >>> 16)) >>> 0) % NAME_HUES;
}
