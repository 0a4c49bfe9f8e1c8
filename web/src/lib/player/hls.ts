/**
 * Plays with hls.js.
 *
 * Low latency: hls.js sits at PART-HOLD-BACK by itself as long as no `liveSync…` duration is configured; what it loses
 * in a stall it wins back by playing 5 % faster, which nobody hears. It knows how to repeat single requests; a stream
 * whose addresses are gone (404 or 410: the server was restarted) it would only repeat in vain, so that is a failure
 * at once, and the supervisor starts anew.
 */

import type { Rung } from '@fanwave/client/quality';
import type HlsType from 'hls.js';
import type { ErrorData, HlsConfig, LevelDetails } from 'hls.js';

import { takeBegun } from '../early';
import { bandwidthOf } from './bandwidth';
import type { Engine, EngineEvents } from './engine';
import { loaderOf } from './loader';
import { choicesOf } from './quality';
import type { Reach } from './reach';
import { soundsOf } from './sound';

type HlsModule = typeof import('hls.js');

/** Second fatal media error within this time: resetting the decoder did not help. */
const MEDIA_RECOVERY_MS = 10_000;

/** After the last picture: whoever plays a little behind their clock shall see it, too. */
const END_MARGIN_MS = 500;

const CONFIG: Partial<HlsConfig> = {
  lowLatencyMode: true,
  maxLiveSyncPlaybackRate: 1.05,
  // One stall moves the target back by a whole second by default, for the rest of the show; half of that is enough.
  liveSyncOnStallIncrease: 0.5,
  // What was played is left to the browser, which forgets it when it needs the room. When hls.js throws it away while a part is being
  // appended, it forgets that it has the parts before, too, and at times loads no more sound of the show for ten seconds.
  backBufferLength: Number.POSITIVE_INFINITY,
  // fMP4 needs no transmuxing, and the worker would be a script from a blob, which our content policy forbids.
  enableWorker: false,
  // The supervisor repeats the first request: it knows whether the show is on.
  manifestLoadPolicy: {
    default: { maxTimeToFirstByteMs: 6_000, maxLoadTimeMs: 10_000, timeoutRetry: null, errorRetry: null },
  },
  // A vanished publisher keeps its playlist for half a minute: go on asking while the fan still has a picture.
  playlistLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 10_000,
      maxLoadTimeMs: 20_000,
      timeoutRetry: { maxNumRetry: 8, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: { maxNumRetry: 8, retryDelayMs: 500, maxRetryDelayMs: 2_000, backoff: 'linear' },
    },
  },
  fragLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 10_000,
      maxLoadTimeMs: 30_000,
      timeoutRetry: { maxNumRetry: 4, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: { maxNumRetry: 6, retryDelayMs: 500, maxRetryDelayMs: 2_000, backoff: 'linear' },
    },
  },
};

/** Of what the network can carry, the first picture takes this share: it is there sooner, and a better one follows within seconds. */
const START_SHARE = 0.4;

/** The first picture comes in a quality that the network can carry: a phone far out does not begin with the best one, and then wait. */
function startConfig(): Partial<HlsConfig> {
  const entries = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
  const bandwidth = bandwidthOf(entries.filter(({ initiatorType }) => initiatorType === 'link' || initiatorType === 'script' || initiatorType === 'other'));
  return bandwidth === null ? {} : { startLevel: -1, testBandwidth: false, abrEwmaDefaultEstimate: bandwidth * START_SHARE };
}

/** Where the last media of a playlist ends: a show whose encoder did not return ends in a gap, which nobody waits out. */
function endOfMedia(details: LevelDetails): number {
  return details.fragments.filter((fragment) => !fragment.gap).at(-1)?.end ?? details.edge;
}

export class HlsEngine implements Engine {
  readonly #hls: HlsType;
  #mediaErrorAt = Number.NEGATIVE_INFINITY;
  #hasPlayed = false;
  #endTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly module: HlsModule,
    private readonly video: HTMLVideoElement,
    private readonly events: EngineEvents,
    playlist: string,
  ) {
    const { default: Hls } = module;
    const { Events } = Hls;
    this.#hls = new Hls({ ...CONFIG, ...startConfig(), loader: loaderOf(module) });
    this.#hls.on(Events.MANIFEST_PARSED, () => {
      // What was fetched before there was a player is of one quality.
      const begun = takeBegun();
      const level = begun === null ? -1 : this.#hls.levels.findIndex(({ uri }) => uri === begun);
      if (level >= 0) this.#hls.startLevel = level;
      this.#reportQualities();
      this.events.ready();
    });
    this.#hls.on(Events.LEVEL_SWITCHED, () => this.#reportQualities());
    this.#hls.on(Events.AUDIO_TRACKS_UPDATED, () => this.#reportSounds());
    this.#hls.on(Events.AUDIO_TRACK_SWITCHING, () => this.#reportSounds());
    this.#hls.on(Events.FRAG_BUFFERED, () => {
      this.#hasPlayed = true;
    });
    this.#hls.on(Events.LEVEL_LOADED, (_event, { details }) => {
      if (!details.live) this.#endAfter(endOfMedia(details));
    });
    this.#hls.on(Events.ERROR, (_event, data) => this.#onError(data));
    this.#hls.loadSource(playlist);
    this.#hls.attachMedia(video);
  }

  playingDate(): number | null {
    return this.#hls.playingDate?.getTime() ?? null;
  }

  behindMs(): number {
    const target = this.#hls.targetLatency;
    return target === null ? 0 : (this.#hls.latency - target) * 1000;
  }

  silentMs(): number {
    return (this.#hls.latestLevelDetails?.age ?? 0) * 1000;
  }

  target(): number | null {
    return this.#hls.liveSyncPosition;
  }

  goLive(): void {
    const position = this.target();
    if (position !== null) this.video.currentTime = position;
  }

  reach(): Reach | null {
    const details = this.#hls.latestLevelDetails;
    const end = this.target() ?? details?.edge;
    if (details === null || end === undefined) return null;
    return { start: details.fragmentStart, end, at: this.video.currentTime };
  }

  dateAt(seconds: number): number | null {
    const fragments = this.#hls.latestLevelDetails?.fragments ?? [];
    const fragment = fragments.find(({ end }) => seconds < end) ?? fragments.at(-1);
    const date = fragment?.programDateTime;
    return fragment === undefined || typeof date !== 'number' ? null : date + (seconds - fragment.start) * 1000;
  }

  chooseSound(track: number): void {
    this.#hls.audioTrack = track;
  }

  chooseQuality(rung: number | null): void {
    this.#hls.nextLevel = rung ?? -1;
    this.#reportQualities();
  }

  rung(): Rung | null {
    const { levels, currentLevel } = this.#hls;
    const level = levels[currentLevel];
    return level === undefined ? null : { height: Math.min(level.width || level.height, level.height), bitrate: level.bitrate };
  }

  destroy(): void {
    clearTimeout(this.#endTimer);
    this.#hls.destroy();
  }

  /**
   * The playlist has ended: plays what is left, then reports.
   *
   * The element's own `ended` is not to be relied upon: where sound and picture end some milliseconds apart, as after a
   * publisher that vanished, it may never come.
   */
  #endAfter(edge: number): void {
    // A stream that is over before we saw any of it is not the show the fan came for.
    const leftMs = this.#hasPlayed ? Math.max(0, edge - this.video.currentTime) * 1000 + END_MARGIN_MS : 0;
    clearTimeout(this.#endTimer);
    this.#endTimer = setTimeout(() => this.events.ended(), leftMs);
  }

  #reportQualities(): void {
    const { levels, autoLevelEnabled, manualLevel, currentLevel } = this.#hls;
    const rungs = levels.map(({ height, bitrate, audioCodec }) => ({ height, bitrate, sound: audioCodec ?? '' }));
    const playing = currentLevel < 0 ? null : currentLevel;
    this.events.qualities({
      choices: choicesOf(rungs, playing),
      chosen: autoLevelEnabled ? null : manualLevel,
      playing,
    });
  }

  #reportSounds(): void {
    const { audioTracks, audioTrack } = this.#hls;
    this.events.sounds(soundsOf(audioTracks.map(({ name, lang }) => ({ name, lang: lang ?? '' })), audioTrack));
  }

  #onError(data: ErrorData): void {
    const { ErrorDetails, ErrorTypes } = this.module.default;
    const isPlaylist =
      data.details === ErrorDetails.MANIFEST_LOAD_ERROR ||
      data.details === ErrorDetails.LEVEL_LOAD_ERROR ||
      data.details === ErrorDetails.AUDIO_TRACK_LOAD_ERROR;
    const status = data.response?.code;
    if (isPlaylist && (status === 404 || status === 410)) {
      this.events.failed();
      return;
    }
    if (!data.fatal) {
      if (data.type === ErrorTypes.NETWORK_ERROR) this.events.troubled();
      return;
    }
    const now = performance.now();
    if (data.type === ErrorTypes.MEDIA_ERROR && now - this.#mediaErrorAt > MEDIA_RECOVERY_MS) {
      this.#mediaErrorAt = now;
      this.#hls.recoverMediaError();
      return;
    }
    this.events.failed();
  }
}
