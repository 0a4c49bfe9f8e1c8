/** Times within a recording, as people type them. Pure. */

/** `h:mm:ss`, `mm:ss` or seconds, in ms; null for anything else. */
export function offsetMs(typed: string): number | null {
  const parts = typed.trim().split(':');
  if (parts.length > 3 || !parts.every((part) => /^\d{1,6}$/.test(part))) return null;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0) * 1000;
}

/** The stretch of a clip, Unix ms; null where it is none of the recording. */
export function stretch(typed: { readonly from: string; readonly to: string }, recording: { readonly from: number; readonly to: number }): { from: number; to: number } | null {
  const [from, to] = [offsetMs(typed.from), offsetMs(typed.to)];
  if (from === null || to === null || to <= from || recording.from + from >= recording.to) return null;
  return { from: recording.from + from, to: Math.min(recording.from + to, recording.to) };
}
