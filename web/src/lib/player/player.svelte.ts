/**
 * The player as the views see it: a shell that joins the supervisor, an engine and a video element.
 *
 * It translates what the element and the engine report into inputs of the supervisor, and does what that commands.
 * Sound starts muted, because browsers refuse anything else without a gesture; the page offers the sound visibly.
 */

import type { Rung } from '@fanwave/client/quality';

import { BEHIND_JUMP_MS, BEHIND_SHOWN_MS, SILENT_MS, START_SETTLES_MS } from '../limits';
import { recall, remember } from '../keep';
import type { Engine, EngineEvents } from './engine';
import { HlsEngine } from './hls';
import { latencyMs, smoothed } from './latency';
import { NativeEngine } from './native';
import { type QualityState, noQualities } from './quality';
import { type Reach, landing } from './reach';
import { jumpsAtStart } from './settle';
import { type SoundState, noSounds } from './sound';
import { type Phase, type Supervisor, type SupervisorInput, initialSupervisor, isTroubled, step } from './supervisor';

/** How often playback is measured. */
const SAMPLE_MS = 500;

/** The picture stands still for this many samples in a row: it stalls, whatever the browser says. */
const STILL_SAMPLES = 3;

const VOLUME_KEPT_AS = 'volume';

/** What the player needs to know from the rest of the page. */
export interface PlayerContext {
  /** Path of the multivariant playlist; null while unknown. */
  readonly playlist: () => string | null;
  /** Server clock minus ours, ms. */
  readonly skewMs: () => number;
  /** Something is wrong with the picture, or nothing is any more. */
  readonly onTroubled: (troubled: boolean) => void;
  /** Since when a picture is wanted, as `performance.now` says; since the player was made, if left out. */
  readonly wantedAt?: number;
}

export class Player {
  phase = $state<Phase>('loading');
  paused = $state(true);
  muted = $state(true);
  volume = $state(1);
  /** The browser did not let us start without a gesture. */
  blocked = $state(false);
  /** The fan has not turned the sound on yet. */
  offersSound = $state(true);
  /** Stage to screen, ms; null while unknown. */
  latency = $state<number | null>(null);
  /** Playback is noticeably behind where it should be. */
  behind = $state(false);
  qualities = $state.raw<QualityState>(noQualities);
  sounds = $state.raw<SoundState>(noSounds);
  /** How far back the show can be seen; null while there is none. */
  reach = $state.raw<Reach | null>(null);
  /** From the wish for a picture to the first one, ms; null before that, and where nobody looked meanwhile. */
  startupMs: number | null = null;
  /** Sources that were lost so far. */
  losses = 0;

  #supervisor: Supervisor = initialSupervisor;
  #engine: Engine | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sampler: ReturnType<typeof setInterval> | undefined;
  #video: HTMLVideoElement | null = null;
  /** Takes the last picture before the element goes black. */
  #still: HTMLCanvasElement | null = null;
  readonly #listeners = new AbortController();
  /** The fan chose to be behind, by pausing or going back: no jump to live against their will. */
  #behindByChoice = false;
  #lastTime = 0;
  #stillSamples = 0;
  #chosenQuality: number | null = null;
  /** Until when the present source may still jump to its target unnoticed; null before its first picture. */
  #settlesUntil: number | null = null;
  /** Since when a picture is wanted; null once there was one, or the page was hidden before. */
  #wantedAt: number | null;

  constructor(private readonly context: PlayerContext) {
    this.#wantedAt = document.visibilityState === 'hidden' ? null : (context.wantedAt ?? performance.now());
  }

  /** What the picture is in; null before there is a page for it. */
  get element(): HTMLVideoElement | null {
    return this.#video;
  }

  /** Whether the fan has paused or gone back, and is behind live for that. */
  get isBehindByChoice(): boolean {
    return this.#behindByChoice;
  }

  /** The quality on the screen; null while unknown. */
  rung(): Rung | null {
    return this.#engine?.rung() ?? null;
  }

  /** Takes over a video element, and a canvas to keep its last picture in. */
  attach(video: HTMLVideoElement, still: HTMLCanvasElement): void {
    this.#video = video;
    this.#still = still;
    const kept = recall(VOLUME_KEPT_AS);
    video.muted = true;
    video.volume = typeof kept === 'number' && kept > 0 && kept <= 1 ? kept : 1;
    this.volume = video.volume;
    const { signal } = this.#listeners;
    const on = (type: string, listener: () => void) => video.addEventListener(type, listener, { signal });
    on('playing', () => this.#feed({ kind: 'flowing' }));
    on('canplay', () => this.#feed({ kind: 'flowing' }));
    on('waiting', () => this.#onWaiting());
    on('play', () => this.#onPlayPause(video));
    on('pause', () => this.#onPlayPause(video));
    on('volumechange', () => this.#onVolume(video));
    window.addEventListener('online', () => this.nudge(), { signal });
    document.addEventListener('visibilitychange', () => this.#onVisibility(), { signal });
    this.#sampler = setInterval(() => this.#sample(video), SAMPLE_MS);
  }

  /**
   * When the picture on the screen was taken, Unix ms; null: nothing is shown that anything would have to wait for;
   * undefined: not known yet.
   */
  playingDate(): number | null | undefined {
    if (this.phase === 'offline' || this.phase === 'ended') return null;
    return (this.#video?.readyState ?? 0) > 0 ? (this.#engine?.playingDate() ?? undefined) : undefined;
  }

  /** The API answered, or did not. */
  show(status: 'live' | 'offline' | 'unreachable'): void {
    // Before the show there is nothing to wait for but the show.
    if (status === 'offline' && this.#wantedAt !== null) this.#wantedAt = performance.now();
    this.#feed({ kind: 'show', status });
  }

  /** Something suggests that a try would succeed now. */
  nudge(): void {
    this.#feed({ kind: 'nudged' });
  }

  /** The fan's play button. */
  togglePlay(): void {
    if (this.#video === null) return;
    if (this.#video.paused) {
      this.#play();
    } else {
      this.#stayBehind();
      this.#video.pause();
    }
  }

  /** The fan's sound button. */
  setMuted(muted: boolean): void {
    if (this.#video === null) return;
    this.#video.muted = muted;
    // A slider at zero would leave an unmuted player silent.
    if (!muted && this.#video.volume === 0) this.#video.volume = 1;
    this.offersSound = false;
    if (!muted && this.#video.paused && this.blocked) this.#play();
  }

  /** The fan's volume slider, 0 to 1. */
  setVolume(volume: number): void {
    if (this.#video === null) return;
    this.#video.volume = volume;
    this.setMuted(volume === 0);
    remember(VOLUME_KEPT_AS, volume);
  }

  /** Back to live. */
  goLive(): void {
    this.#behindByChoice = false;
    this.#engine?.goLive();
    this.#play();
  }

  /** The fan goes to so many seconds behind live. */
  seekBehind(behind: number): void {
    const reach = this.#engine?.reach() ?? null;
    if (reach === null || this.#video === null) return;
    const to = landing(reach, behind);
    if (to === 'live') {
      this.goLive();
      return;
    }
    this.#stayBehind();
    this.#video.currentTime = to;
    this.reach = { ...reach, at: to };
  }

  /** Nothing takes the fan to live from now on: neither the start, should it not be over, nor what is lost later. */
  #stayBehind(): void {
    this.#behindByChoice = true;
    this.#settlesUntil = Number.NEGATIVE_INFINITY;
  }

  /** When the picture so many seconds behind live was taken, Unix ms; null when nobody knows. */
  dateBehind(behind: number): number | null {
    const end = this.#engine?.reach()?.end;
    return end === undefined ? null : (this.#engine?.dateAt(end - behind) ?? null);
  }

  /** Where the small pictures of the show are listed; null while unknown. */
  thumbnails(): string | null {
    const playlist = this.context.playlist();
    return playlist === null ? null : new URL('thumbnails.vtt', new URL(playlist, location.href)).href;
  }

  /** Chooses a soundtrack. */
  chooseSound(track: number): void {
    this.#engine?.chooseSound(track);
  }

  /** Fixes a quality, for the streams to come too; null for automatic. */
  chooseQuality(rung: number | null): void {
    this.#chosenQuality = rung;
    this.#engine?.chooseQuality(rung);
  }

  /** Lets go of everything. */
  close(): void {
    this.#listeners.abort();
    clearInterval(this.#sampler);
    clearTimeout(this.#timer);
    this.#unload();
  }

  #feed(input: SupervisorInput): void {
    const before = this.#supervisor;
    const { state, command } = step(before, input, Date.now(), Math.random());
    this.#supervisor = state;
    this.phase = state.phase;
    if (command === 'load') void this.#load();
    if (command === 'unload') this.#unload();
    if (state.phase === 'playing') this.#onPicture();
    if (command === 'unload' && state.phase === 'reconnecting') this.losses += 1;
    if (isTroubled(state) !== isTroubled(before)) this.context.onTroubled(isTroubled(state));
    clearTimeout(this.#timer);
    if (state.deadline !== null) {
      this.#timer = setTimeout(() => this.#feed({ kind: 'timeout' }), Math.max(0, state.deadline.at - Date.now()));
    }
  }

  async #load(): Promise<void> {
    this.#unload();
    const video = this.#video;
    const playlist = this.context.playlist();
    if (video === null || playlist === null) {
      this.#feed({ kind: 'failed' });
      return;
    }
    const module = await hlsModule();
    // While the module was under way the supervisor may have changed its mind, or a second load may have overtaken us.
    if (!this.#supervisor.loaded || this.#engine !== null || this.#listeners.signal.aborted) return;
    const events = this.#eventsOf(() => this.#engine === engine);
    let engine: Engine;
    if (module?.default.isSupported() === true) {
      engine = new HlsEngine(module, video, events, playlist);
    } else if (video.canPlayType('application/vnd.apple.mpegurl') !== '') {
      engine = new NativeEngine(video, events, playlist);
    } else {
      this.#feed({ kind: 'failed' });
      return;
    }
    this.#engine = engine;
  }

  /** What an engine reports counts only as long as it is the current one. */
  #eventsOf(isCurrent: () => boolean): EngineEvents {
    // Engines report from the middle of their own work: what follows may destroy them, so it waits until they are done.
    const later = (what: () => void) => () =>
      queueMicrotask(() => {
        if (isCurrent()) what();
      });
    return {
      ready: later(() => {
        if (this.#chosenQuality !== null) this.#engine?.chooseQuality(this.#chosenQuality);
        this.#play();
      }),
      failed: later(() => this.#feed({ kind: 'failed' })),
      ended: later(() => this.#feed({ kind: 'ended' })),
      troubled: later(() => this.context.onTroubled(true)),
      qualities: (state) => later(() => {
        this.qualities = state;
      })(),
      sounds: (state) => later(() => {
        this.sounds = state;
      })(),
    };
  }

  #unload(): void {
    if (this.#engine === null) return;
    this.#keepPicture();
    this.#engine.destroy();
    this.#engine = null;
    this.latency = null;
    this.reach = null;
    this.sounds = noSounds;
    this.behind = false;
    this.#behindByChoice = false;
    this.#stillSamples = 0;
    this.#settlesUntil = null;
  }

  /** A standing picture under "reconnecting" is kinder than a black one. */
  #keepPicture(): void {
    const [video, still] = [this.#video, this.#still];
    if (video === null || still === null || video.videoWidth === 0) return;
    still.width = video.videoWidth;
    still.height = video.videoHeight;
    still.getContext('2d')?.drawImage(video, 0, 0);
  }

  #play(): void {
    this.#video?.play().then(
      () => {
        this.blocked = false;
      },
      (error: unknown) => {
        // Any other refusal (the source was taken away meanwhile) is the supervisor's business.
        this.blocked = error instanceof DOMException && error.name === 'NotAllowedError';
      },
    );
  }

  #onPicture(): void {
    if (this.#wantedAt !== null) this.startupMs = performance.now() - this.#wantedAt;
    this.#wantedAt = null;
  }

  #onVisibility(): void {
    // Browsers take their time with a page that nobody looks at.
    if (document.visibilityState === 'hidden') this.#wantedAt = null;
    this.nudge();
  }

  #onWaiting(): void {
    if (this.#video?.paused === false) this.#feed({ kind: 'stalled' });
  }

  #onPlayPause(video: HTMLVideoElement): void {
    this.paused = video.paused;
    if (video.paused) this.#feed({ kind: 'paused' });
  }

  #onVolume(video: HTMLVideoElement): void {
    this.muted = video.muted || video.volume === 0;
    this.volume = video.volume;
  }

  #sample(video: HTMLVideoElement): void {
    const engine = this.#engine;
    if (engine === null) return;
    this.#watchProgress(engine, video);
    this.#settle(engine, video);
    this.latency = smoothed(
      this.latency,
      latencyMs(Date.now(), this.context.skewMs(), video.readyState > 0 ? engine.playingDate() : null),
    );
    this.reach = engine.reach();
    const behindMs = engine.behindMs();
    this.behind = behindMs > BEHIND_SHOWN_MS;
    const isLost = behindMs > BEHIND_JUMP_MS && !this.#behindByChoice && !video.paused;
    if (isLost && this.phase === 'playing') engine.goLive();
    // In the middle of a seek the engine still tells how far behind it was before.
    if (!this.behind && !video.paused && !video.seeking) this.#behindByChoice = false;
  }

  #settle(engine: Engine, video: HTMLVideoElement): void {
    if (this.phase !== 'playing' || video.paused || video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) return;
    const now = performance.now();
    this.#settlesUntil ??= now + START_SETTLES_MS;
    if (now > this.#settlesUntil) return;
    const { buffered } = video;
    const stretches = Array.from({ length: buffered.length }, (_, n) => ({ start: buffered.start(n), end: buffered.end(n) }));
    if (!jumpsAtStart(engine.behindMs(), engine.target(), stretches)) return;
    engine.goLive();
    // Once is enough: what is left is for the playback rate.
    this.#settlesUntil = now;
  }

  /** Not every stall makes the browser say "waiting"; a clock that stands still says it always. */
  #watchProgress(engine: Engine, video: HTMLVideoElement): void {
    const moved = video.currentTime !== this.#lastTime;
    this.#lastTime = video.currentTime;
    this.#stillSamples = moved || video.paused ? 0 : this.#stillSamples + 1;
    if (moved && this.phase === 'buffering') this.#feed({ kind: 'flowing' });
    if (this.#stillSamples === STILL_SAMPLES) this.#feed({ kind: 'stalled' });
    if (this.phase === 'buffering' && engine.silentMs() > SILENT_MS) this.#feed({ kind: 'silent' });
  }
}

/** Fetches hls.js, beside the page rather than in it; null where its script cannot be loaded. */
export async function hlsModule(): Promise<typeof import('hls.js') | null> {
  try {
    return await import('hls.js');
  } catch {
    return null;
  }
}
