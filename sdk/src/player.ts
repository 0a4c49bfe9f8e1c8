/**
 * Where the fan is in the show: a shell that asks a player, and tells the lanes. `timeline.ts` decides what that means.
 *
 * A player says the date of the picture on the screen (EXT-X-PROGRAM-DATE-TIME). Servers stamp messages with the same clock.
 */

import type { Environment } from './environment.js';
import { PLAYER_SAMPLE_MS, PLAYER_SILENT_MS, TIMELINE_MAX } from './limits.js';
import type { Notice } from './message.js';

/** What tells where the fan is. */
export interface Player {
  /** Date of the picture on the screen, Unix ms; null: nothing is shown, and nothing is to be waited for; undefined: not known yet. */
  playingDate(): number | null | undefined;
}

/** A player, an hls.js instance, or a video element that plays HLS by itself (Safari). */
export type PlayerSource = Player | { readonly playingDate: Date | null; readonly media?: HTMLMediaElement | null } | HTMLVideoElement;

export interface Clock {
  detach(): void;
  /** Whether the notice waits for its moment in the show; it is told then. */
  delays(notice: Notice): boolean;
}

/**
 * Follows a player: tells every change of where it is, and null when there is nothing to follow.
 *
 * A player that says nothing shows no show: after a while the chat goes on without it.
 */
export function followPlayer(
  source: PlayerSource,
  environment: Environment,
  moved: (playhead: number | null) => void,
  due: (notice: Notice) => void,
): Clock {
  const player = playerOf(source);
  let saidAt = environment.now();
  let playhead: number | null | undefined;
  let cancel = () => {};
  let notices: { readonly at: number; readonly notice: Notice }[] = [];
  const sample = () => {
    const now = environment.now();
    const said = player.playingDate();
    if (typeof said === 'number' && Number.isFinite(said)) {
      saidAt = now;
      playhead = said;
    } else if (said === null || now - saidAt >= PLAYER_SILENT_MS) playhead = null;
    // Until then everything stays as it is: what was visible is, and what is new waits.
    playhead ??= said === undefined && now - saidAt < PLAYER_SILENT_MS ? saidAt : null;
    moved(playhead);
    const through = playhead ?? Number.POSITIVE_INFINITY;
    const ripe = notices.filter(({ at }) => at <= through);
    if (ripe.length > 0) notices = notices.filter(({ at }) => at > through);
    for (const { notice } of ripe) due(notice);
    cancel = environment.after(PLAYER_SAMPLE_MS, sample);
  };
  sample();
  return {
    detach: () => {
      cancel();
      moved(null);
      for (const { notice } of notices.splice(0)) due(notice);
    },
    delays: (notice) => {
      if (notice.type !== 'reactions' && notice.type !== 'tally') return false;
      if (playhead === null || playhead === undefined || notices.length >= TIMELINE_MAX) return false;
      notices.push({ at: environment.now(), notice });
      return true;
    },
  };
}

function playerOf(source: PlayerSource): Player {
  if (typeof (source as Player).playingDate === 'function') return source as Player;
  if ('playingDate' in source) {
    const hls = source as { readonly playingDate: Date | null; readonly media?: HTMLMediaElement | null };
    return { playingDate: () => (hls.media?.ended === true ? null : hls.playingDate?.getTime()) };
  }
  const video = source as HTMLVideoElement & { getStartDate?: () => Date };
  return {
    playingDate: () => {
      if (video.ended) return null;
      const start = video.getStartDate?.().getTime();
      return start === undefined || Number.isNaN(start) ? undefined : start + video.currentTime * 1000;
    },
  };
}
