/** What plays a stream into a video element: the port that hls.js and the browser's own HLS both fill. */

import type { Rung } from '@fanwave/client/quality';

import type { QualityState } from './quality';
import type { Reach } from './reach';
import type { SoundState } from './sound';

/** What an engine reports. After `destroy` it reports nothing any more. */
export interface EngineEvents {
  /** There is something to play. */
  readonly ready: () => void;
  /** The stream is lost and this engine cannot get it back. */
  readonly failed: () => void;
  /** The playlist has ended, and all of it was played. */
  readonly ended: () => void;
  /** A request went wrong that the engine goes on trying: the rest of the page may want to look, too. */
  readonly troubled: () => void;
  /** The qualities, or which of them is playing, changed. */
  readonly qualities: (state: QualityState) => void;
  /** The soundtracks, or which of them is playing, changed. */
  readonly sounds: (state: SoundState) => void;
}

/** One attempt at playing one multivariant playlist. */
export interface Engine {
  /** When the picture on the screen was taken, Unix ms; null when the stream does not tell. */
  playingDate(): number | null;
  /** How far playback is behind where it wants to be, ms. */
  behindMs(): number;
  /** How long the playlist has brought nothing new, ms; 0 when that is not known. */
  silentMs(): number;
  /** Where it wants to be, seconds of the video element; null when it does not say. */
  target(): number | null;
  /** Jumps to where it wants to be. */
  goLive(): void;
  /** How far back the show can be seen; null while unknown. */
  reach(): Reach | null;
  /** When the picture at a time of the video element was taken, Unix ms; null when the stream does not tell. */
  dateAt(seconds: number): number | null;
  /** Chooses a soundtrack. */
  chooseSound(track: number): void;
  /** The quality on the screen; null while unknown. */
  rung(): Rung | null;
  /** Fixes a quality; null leaves the choice to the engine. */
  chooseQuality(rung: number | null): void;
  /** Lets go of the video element. */
  destroy(): void;
}
