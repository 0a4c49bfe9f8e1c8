/** The picture qualities a fan can choose from. Pure. */

/** One rung of the ladder. */
export interface Rung {
  readonly height: number;
  readonly bitrate: number;
  /** Codec of its sound; empty where it has none, or that is not known. */
  readonly sound: string;
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

/**
 * The choices that a ladder offers, best first. One that has every rung once for each codec of sound is offered with the codec
 * that plays, or would be the first to: nobody should have to choose between two of the same picture.
 */
export function choicesOf(rungs: readonly Rung[], playing: number | null = null): readonly Quality[] {
  const sound = (rungs[playing ?? 0] ?? rungs[0])?.sound;
  const offered = rungs.filter((rung) => rung.sound === sound);
  return rungs
    .map((rung, index) => ({ rung: index, label: labelOf(rung, offered), height: rung.height, bitrate: rung.bitrate, sound: rung.sound }))
    .filter((choice) => choice.sound === sound)
    .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate)
    .map(({ rung, label }) => ({ rung, label }));
}

function labelOf(rung: Rung, rungs: readonly Rung[]): string {
  const megabits = `${(rung.bitrate / 1_000_000).toFixed(1)} Mbps`;
  if (rung.height === 0) return megabits;
  const isAlone = rungs.filter((other) => other.height === rung.height).length === 1;
  return isAlone ? `${rung.height}p` : `${rung.height}p · ${megabits}`;
}
