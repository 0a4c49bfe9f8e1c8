/**
 * `@fanwave/client/quality`: a page tells the server how its picture plays (docs/quality.md). Apart from the rest of the SDK, of which it uses
 * nothing: it is loaded when there is a picture.
 *
 * A shell: it looks at the player four times a second, and sends what `machine.ts` says. Nothing in it throws into the app, and nothing of a
 * person is in what it sends. Sent with `fetch` and `keepalive`: it outlives the page like `navigator.sendBeacon`, is JSON, and has an answer, by
 * which a server can have it tell less, wait or stop.
 */

import { type HlsPlayer, type Known, lookAt } from './look.js';
import { LOOK_MS, REQUEST_MS } from './limits.js';
import { type Answer, type Asked, type Beacon, type Report, type ReportInput, newReport, stepReport } from './machine.js';

export type { HlsPlayer, Known } from './look.js';
export type { Asked, Beacon, Rung } from './machine.js';

export interface QualityOptions extends Known {
  /** The channel that is watched. */
  readonly channel: string;
  /** Address of the server, `https://fans.example`; of the page, if left out. */
  readonly url?: string | (() => string);
  /** What the server asks for, where the app has read the channel already (`askedOf`); the channel is read, if left out. */
  readonly asked?: Asked;
  /** A number in [0, 1) that was drawn for this view of the page; drawn here, if left out. */
  readonly draw?: number;
  /** What plays in the video element, where that is not the browser itself. */
  readonly hls?: HlsPlayer;
  /** In place of the browser's; for tests and unusual platforms. */
  readonly around?: Around;
}

/** What a report has of the world. */
export interface Around {
  /** Unix ms. */
  now(): number;
  /** ms, of a clock that only goes forward. */
  clock(): number;
  /** In [0, 1). */
  random(): number;
  /** Calls again and again; returns what ends it. */
  every(ms: number, callback: () => void): () => void;
  /** Calls whenever the page is hidden or left; returns what ends it. */
  onHidden(callback: () => void): () => void;
  hidden(): boolean;
  fetch: typeof globalThis.fetch;
}

export interface QualityReport {
  /** Ends it, with a last beacon where there is something to tell. */
  stop(): void;
}

/** Has a page tell how the picture in a video element plays, until it is stopped. Never throws. */
export function reportQuality(video: HTMLVideoElement, options: QualityOptions): QualityReport {
  const around = options.around ?? browser();
  const reporter = new Reporter(video, options, around);
  // A page without what a browser has cannot report.
  reporter.begin().catch(() => reporter.stop());
  return reporter;
}

/** What a channel's `quality` says, as `GET /api/v1/channels/{id}` has it; null where nothing is asked for. */
export function askedOf(channel: unknown): Asked | null {
  return readAsked(field(channel, 'quality'));
}

class Reporter implements QualityReport {
  readonly #startedAt: number;
  #firstMs: number | null = null;
  #timed: boolean;
  #report: Report | null = null;
  #ends: (() => void)[] = [];
  #stopped = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly options: QualityOptions,
    private readonly around: Around,
  ) {
    this.#startedAt = around.clock();
    // Of a picture that is there already, or of a page that nobody looks at, nobody knows how long it took.
    this.#timed = video.readyState < HAVE_CURRENT_DATA && !around.hidden();
  }

  async begin(): Promise<void> {
    const { options, around } = this;
    this.#ends.push(around.every(LOOK_MS, () => this.#look()), around.onHidden(() => this.#hidden()));
    const asked = options.asked ?? (await this.#ask());
    if (this.#stopped) return;
    if (asked === null) {
      this.#end();
      return;
    }
    this.#report = newReport(newSession(), options.draw ?? around.random(), asked, around.clock(), around.random());
  }

  stop(): void {
    if (this.#stopped) return;
    this.#feed({ kind: 'hidden' });
    this.#end();
  }

  #end(): void {
    this.#stopped = true;
    for (const end of this.#ends.splice(0)) end();
  }

  #hidden(): void {
    this.#timed &&= this.#firstMs !== null;
    this.#feed({ kind: 'hidden' });
  }

  #look(): void {
    const { video, options, around } = this;
    const now = around.clock();
    if (this.#timed && this.#firstMs === null && video.readyState >= HAVE_CURRENT_DATA) this.#firstMs = now - this.#startedAt;
    try {
      this.#feed({ kind: 'look', look: lookAt(video, options.hls ?? null, options, this.#firstMs, around.now()) });
    } catch {
      // What the app knows could not be asked: the next look may find it.
    }
  }

  #feed(input: ReportInput): void {
    if (this.#report === null) return;
    const { report, send } = stepReport(this.#report, input, this.around.clock(), this.around.random());
    this.#report = report;
    if (send !== null) void this.#send(send);
    if (report.ended && !this.#stopped) this.#end();
  }

  async #send(beacon: Beacon): Promise<void> {
    this.#feed({ kind: 'answered', answer: await this.#answer(beacon) });
  }

  async #answer(beacon: Beacon): Promise<Answer> {
    try {
      const response = await this.around.fetch(this.#address('/quality'), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(beacon),
        keepalive: true,
        credentials: 'omit',
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
      const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : null;
      // A network's log-in page says 200, too, and asks for nothing.
      const asked = response.ok ? readAsked(await response.json()) : null;
      return { status: response.ok && asked === null ? null : response.status, retryAfterMs, asked };
    } catch {
      return { status: null, retryAfterMs: null, asked: null };
    }
  }

  /** What the server asks of pages of this channel; null where it asks for nothing, or cannot be asked. */
  async #ask(): Promise<Asked | null> {
    try {
      const signal = AbortSignal.timeout(REQUEST_MS);
      const response = await this.around.fetch(this.#address(''), { cache: 'no-store', credentials: 'omit', signal });
      return response.ok ? askedOf(await response.json()) : null;
    } catch {
      return null;
    }
  }

  #address(path: string): string {
    const { url = '', channel } = this.options;
    const base = (typeof url === 'string' ? url : url()).replace(/\/+$/, '');
    return `${base}/api/v1/channels/${encodeURIComponent(channel)}${path}`;
  }
}

/** `HTMLMediaElement.HAVE_CURRENT_DATA`: there is a picture. */
const HAVE_CURRENT_DATA = 2;

function readAsked(value: unknown): Asked | null {
  const [sample, everyMs] = [field(value, 'sample'), field(value, 'every_ms')];
  return typeof sample === 'number' && typeof everyMs === 'number' ? { sample, everyMs } : null;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** 128 random bits, new for each view of a page. */
function newSession(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function browser(): Around {
  return {
    now: () => Date.now(),
    clock: () => performance.now(),
    random: () => Math.random(),
    every: (ms, callback) => {
      const timer = setInterval(callback, ms);
      return () => clearInterval(timer);
    },
    onHidden: (callback) => {
      const ends = new AbortController();
      const { signal } = ends;
      document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && callback(), { signal });
      // Not every browser hides a page before it leaves it.
      window.addEventListener('pagehide', callback, { signal });
      return () => ends.abort();
    },
    hidden: () => document.visibilityState === 'hidden',
    fetch: (...args) => globalThis.fetch(...args),
  };
}
