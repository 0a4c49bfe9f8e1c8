/** How far the picture is behind the stage. Pure. */

/** Weight of a new sample: the number on the screen should move, not jitter. */
const SMOOTHING = 0.4;

/** A sample this far from the shown value is a jump (seek, new stream), and is shown as it is, ms. */
const JUMP_MS = 1_500;

/**
 * Stage to screen, ms; null when the stream does not tell, or tells nonsense.
 *
 * @param now our clock, Unix ms
 * @param skewMs server clock minus ours
 * @param playingDate when the picture now on the screen was taken, Unix ms (EXT-X-PROGRAM-DATE-TIME)
 */
export function latencyMs(now: number, skewMs: number, playingDate: number | null): number | null {
  if (playingDate === null || !Number.isFinite(playingDate)) return null;
  const latency = now + skewMs - playingDate;
  // A picture from the future, or from yesterday, means that the encoder's clock is wrong: better no number at all.
  return latency < 0 || latency > 24 * 3_600_000 ? null : latency;
}

/** Takes one more sample into the value shown. */
export function smoothed(shown: number | null, sample: number | null): number | null {
  if (sample === null || shown === null || Math.abs(sample - shown) > JUMP_MS) return sample;
  return shown + (sample - shown) * SMOOTHING;
}
