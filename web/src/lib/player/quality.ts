/** The picture qualities a fan can choose from. Pure. */

/** One rung of the ladder. */
export interface Rung {
  readonly height: number;
  readonly bitrate: number;
}

/** A choice in the menu. */
export interface Quality {
  /** Index among the rungs as the player numbers them. */
  readonly rung: number;
  /** `1080p`; with the bitrate where two rungs have one height. */
  readonly label: string;
}

/** What the menu shows. */
export interface QualityState {
  /** Best first. */
  readonly choices: readonly Quality[];
  /** The rung the fan chose; null for automatic. */
  readonly chosen: number | null;
  /** The rung on the screen; null before the first picture. */
  readonly playing: number | null;
}

/** Before anything is loaded. */
export const noQualities: QualityState = { choices: [], chosen: null, playing: null };

/** The choices that a ladder offers, best first. */
export function choicesOf(rungs: readonly Rung[]): readonly Quality[] {
  return rungs
    .map((rung, index) => ({ rung: index, label: labelOf(rung, rungs), height: rung.height, bitrate: rung.bitrate }))
    .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate)
    .map(({ rung, label }) => ({ rung, label }));
}

function labelOf(rung: Rung, rungs: readonly Rung[]): string {
  const megabits = `${(rung.bitrate / 1_000_000).toFixed(1)} Mbps`;
  if (rung.height === 0) return megabits;
  const isAlone = rungs.filter((other) => other.height === rung.height).length === 1;
  return isAlone ? `${rung.height}p` : `${rung.height}p · ${megabits}`;
}
