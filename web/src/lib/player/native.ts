/**
 * Plays with the browser's own HLS, where Media Source is missing (older iPhones).
 *
 * The browser chooses quality and distance to live by itself; this only watches it and tells how it goes.
 */

import type { Rung } from '@fanwave/client/quality';

import type { Engine, EngineEvents } from './engine';
import { noQualities } from './quality';
import type { Reach } from './reach';
import { noSounds } from './sound';

/** The browser does not say where it wants to be; this far behind the newest it can seek to counts as live, ms. */
const NATIVE_TARGET_MS = 6_000;

/** Safari tells the date of the first picture; nobody else does. */
interface DatedVideo {
  getStartDate?: () => Date;
}

export class NativeEngine implements Engine {
  readonly #listeners = new AbortController();

  constructor(
    private readonly video: HTMLVideoElement,
    events: EngineEvents,
    playlist: string,
  ) {
    const { signal } = this.#listeners;
    video.addEventListener('loadedmetadata', () => events.ready(), { signal });
    video.addEventListener('error', () => events.failed(), { signal });
    video.addEventListener('ended', () => events.ended(), { signal });
    events.qualities(noQualities);
    events.sounds(noSounds);
    video.src = playlist;
    video.load();
  }

  playingDate(): number | null {
    return this.dateAt(this.video.currentTime);
  }

  dateAt(seconds: number): number | null {
    const start = (this.video as DatedVideo).getStartDate?.().getTime();
    return start === undefined || Number.isNaN(start) ? null : start + seconds * 1000;
  }

  reach(): Reach | null {
    const newest = this.#newest();
    if (newest === null) return null;
    return { start: this.video.seekable.start(0), end: newest - NATIVE_TARGET_MS / 1000, at: this.video.currentTime };
  }

  chooseSound(): void {
    // There is nothing to choose: the menu is empty.
  }

  behindMs(): number {
    const newest = this.#newest();
    return newest === null ? 0 : (newest - this.video.currentTime) * 1000 - NATIVE_TARGET_MS;
  }

  silentMs(): number {
    return 0;
  }

  target(): number | null {
    // The browser places itself; a jump of ours would only make it load anew.
    return null;
  }

  goLive(): void {
    const newest = this.#newest();
    if (newest !== null) this.video.currentTime = Math.max(0, newest - NATIVE_TARGET_MS / 1000);
  }

  chooseQuality(): void {
    // There is nothing to choose: the menu is empty.
  }

  rung(): Rung | null {
    const height = Math.min(this.video.videoWidth, this.video.videoHeight);
    return height === 0 ? null : { height, bitrate: null };
  }

  destroy(): void {
    this.#listeners.abort();
    this.video.removeAttribute('src');
    this.video.load();
  }

  #newest(): number | null {
    const { seekable } = this.video;
    return seekable.length === 0 ? null : seekable.end(seekable.length - 1);
  }
}
