/** How a player is looked at: a video element, an hls.js instance beside it where there is one, and what an app knows better. */

import { LATENCY_MS_MAX } from './limits.js';
import type { Look, Rung } from './machine.js';

/** What is looked at of an hls.js instance. */
export interface HlsPlayer {
  /** Date of the picture on the screen (EXT-X-PROGRAM-DATE-TIME). */
  readonly playingDate: Date | null;
  readonly levels: readonly { readonly width: number; readonly height: number; readonly bitrate: number }[];
  /** Index of the level that plays; -1 before there is one. */
  readonly currentLevel: number;
}

/** What an app knows better than the video element; each is asked at every look, and may throw. */
export interface Known {
  /** From the wish for a picture to the first one, ms; null while unknown. */
  readonly startupMs?: () => number | null;
  /** From the stage to the screen, ms; null where it is not known, or the fan's own choice. */
  readonly latencyMs?: () => number | null;
  readonly rung?: () => Rung | null;
  /** Sources that were lost so far: fatal errors of a player, that is started anew after each. */
  readonly errors?: () => number;
  /** The fan waits, whatever the element says: there is no source just now, and one is looked for. */
  readonly waits?: () => boolean;
  /** The server's clock minus this device's, ms. */
  readonly skewMs?: () => number;
}

/** Safari tells the date of the first picture. */
type DatedVideo = HTMLVideoElement & { readonly getStartDate?: () => Date };

/**
 * The player at this moment.
 *
 * @param firstMs after how long there was a picture, where the app does not know better; null while there is none
 * @param now Unix ms
 */
export function lookAt(video: HTMLVideoElement, hls: HlsPlayer | null, known: Known, firstMs: number | null, now: number): Look {
  const date = dateOf(video, hls);
  const latencyMs = known.latencyMs !== undefined ? known.latencyMs() : date === null ? null : now + (known.skewMs?.() ?? 0) - date;
  return {
    position: video.currentTime,
    wanted: !video.paused && !video.ended && !video.seeking,
    waits: known.waits?.() ?? false,
    startupMs: known.startupMs !== undefined ? known.startupMs() : firstMs,
    latencyMs: latencyMs !== null && latencyMs >= 0 && latencyMs <= LATENCY_MS_MAX ? latencyMs : null,
    rung: known.rung !== undefined ? known.rung() : rungOf(video, hls),
    errors: known.errors?.() ?? 0,
  };
}

/** When the picture on the screen was taken, Unix ms; null where nobody says. */
function dateOf(video: DatedVideo, hls: HlsPlayer | null): number | null {
  if (hls !== null) return hls.playingDate?.getTime() ?? null;
  const start = video.getStartDate?.().getTime();
  return start === undefined || Number.isNaN(start) ? null : start + video.currentTime * 1_000;
}

function rungOf(video: HTMLVideoElement, hls: HlsPlayer | null): Rung | null {
  const level = hls?.levels[hls.currentLevel];
  if (level !== undefined) return { height: shorter(level.width, level.height), bitrate: level.bitrate > 0 ? level.bitrate : null };
  const height = shorter(video.videoWidth, video.videoHeight);
  return height === null ? null : { height, bitrate: null };
}

/** A show that is upright is 720p, too. */
function shorter(width: number, height: number): number | null {
  const side = Math.min(width > 0 ? width : height, height);
  return side > 0 ? side : null;
}
