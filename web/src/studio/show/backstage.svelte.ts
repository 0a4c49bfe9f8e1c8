/**
 * What a crew sees of a channel: how it is fed, what its playlists say, what happened, what is kept.
 *
 * How things stand is asked for again and again, because a figure that moves is what is looked at; what happens is told by the
 * server as it does. Every question ends with the page.
 */

import { Refusal, call, member } from '../call';
import { HEALTH_MS, NEWS_MAX, SHOW_MS, TOAST_MS } from '../limits';
import { appended } from '../parts/chart';
import type { Notice } from '../parts/Toast.svelte';
import type { Identity } from '../people/identity.svelte';
import { list, optional, text } from '../room/rules';
import { type Cue, type Variant, cuesOf, variantsOf } from './master';
import type { Health } from './preflight';
import { newReader, take } from './stream';

/** What is drawn over time. */
export const SERIES = ['videoRate', 'audioRate', 'frameRate', 'keyframe', 'drift', 'lag', 'viewers'] as const;

export type Series = Readonly<Record<(typeof SERIES)[number], readonly (number | null)[]>>;

export interface News {
  readonly id: string;
  readonly type: string;
  readonly at: number;
  /** What there is to say of it: a rung, a reason. */
  readonly about: string;
  readonly withheld: number;
}

export interface Kept {
  readonly id: string;
  readonly clip: boolean;
  readonly ended: boolean;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  readonly playlist: string;
}

/** An encoder that is connected. */
export interface Encoder {
  readonly address: string;
  readonly protocol: string;
  readonly since: number;
  /** Whether it is the one that is shown, and does not stand by. */
  readonly shown: boolean;
}

/** A platform that the shows are pushed on to, and how that goes: one of `simulcast` of `GET .../ingest`. */
export interface Push {
  readonly name: string;
  readonly host: string;
  readonly state: 'waiting' | 'connecting' | 'live' | 'failed';
  readonly since: number;
  readonly retry_at: number | null;
  readonly sent_bytes: number;
  readonly dropped: number;
  readonly reconnects: number;
  readonly error: 'unreachable' | 'tls' | 'refused' | 'silent' | 'protocol' | 'stalled' | 'ended' | 'broken' | 'codec' | 'sound_codec' | null;
}

const NOTHING: Series = { videoRate: [], audioRate: [], frameRate: [], keyframe: [], drift: [], lag: [], viewers: [] };

export class Backstage {
  publisher = $state<'absent' | 'connected' | 'lost' | null>(null);
  health = $state.raw<Health | null>(null);
  encoders = $state.raw<readonly Encoder[]>([]);
  pushes = $state.raw<readonly Push[]>([]);
  series = $state.raw<Series>(NOTHING);
  live = $state(false);
  since = $state<number | null>(null);
  variants = $state.raw<readonly Variant[]>([]);
  cues = $state.raw<readonly Cue[]>([]);
  kept = $state.raw<readonly Kept[]>([]);
  news = $state.raw<readonly News[]>([]);
  /** Qualities that failed, until they are back; as far as it was told since the page was opened. */
  failed = $state.raw<ReadonlySet<string>>(new Set());
  following = $state(false);
  answered = $state(true);
  toast = $state.raw<Notice | null>(null);

  #viewers: number | null = null;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  readonly #closed = new AbortController();
  readonly #base: string;

  constructor(
    private readonly identity: Identity,
    readonly channel: string,
  ) {
    this.#base = `/channels/${encodeURIComponent(channel)}`;
    void this.#again(HEALTH_MS, () => this.#readHealth());
    void this.#again(SHOW_MS, () => this.#readShow());
    void this.#again(HEALTH_MS, () => this.#follow());
  }

  /** Makes a call in the name of who is signed in; throws `Refusal`. */
  async call(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    try {
      return await call(method, `/api/v1${path}`, await this.identity.token(), body);
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) this.identity.refused();
      throw error;
    }
  }

  /** Does something and says so; null where it was refused, and the refusal is shown. */
  async act(what: string, method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<{ readonly answer: unknown } | null> {
    try {
      const answer = await this.call(method, path, body);
      this.#say({ what, act: null, failed: false });
      void this.#readShow();
      return { answer };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#say({ what: error.detail, act: null, failed: true });
      return null;
    }
  }

  dismissToast(): void {
    this.toast = null;
  }

  close(): void {
    this.#closed.abort();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Asks, and asks again a while after the answer. What is not answered is asked for anew as well. */
  async #again(waitMs: number, ask: () => Promise<void>): Promise<void> {
    try {
      await ask();
      this.answered = true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.answered = error.status !== null;
    }
    if (this.#closed.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#again(waitMs, ask);
    }, waitMs);
    this.#timers.add(timer);
  }

  async #readHealth(): Promise<void> {
    const body = await this.call('GET', `${this.#base}/ingest`);
    const publisher = text(body, 'publisher');
    this.publisher = publisher === 'connected' || publisher === 'lost' ? publisher : 'absent';
    const health = (member(body, 'health') ?? null) as Health | null;
    this.health = health;
    this.encoders = list(body, 'encoders').map((one) => one as Encoder);
    this.pushes = list(body, 'simulcast').map((one) => one as Push);
    const { series } = this;
    this.series = {
      videoRate: appended(series.videoRate, health?.video_bits_per_second ?? null),
      audioRate: appended(series.audioRate, health?.audio_bits_per_second ?? null),
      frameRate: appended(series.frameRate, health?.frame_rate ?? null),
      keyframe: appended(series.keyframe, health?.keyframe_interval_ms ?? null),
      drift: appended(series.drift, health?.drift_ms ?? null),
      lag: appended(series.lag, health?.lag_ms ?? null),
      viewers: appended(series.viewers, this.#viewers),
    };
  }

  async #readShow(): Promise<void> {
    const [channel, recordings, stats] = await Promise.all([
      this.call('GET', this.#base),
      this.call('GET', `${this.#base}/recordings`),
      this.call('GET', `${this.#base}/stats`),
    ]);
    this.live = member(channel, 'live') === true;
    this.since = optional(channel, 'since');
    this.#viewers = optional(member(member(stats, 'chat'), 'everywhere'), 'users');
    this.kept = list(recordings, 'recordings').map((one) => one as Kept);
    await this.#readPlaylists(text(channel, 'playlist'));
  }

  async #readPlaylists(playlist: string): Promise<void> {
    if (!this.live) {
      this.variants = [];
      this.cues = [];
      return;
    }
    this.variants = variantsOf(String(await call('GET', playlist, null)));
    const best = this.variants[0]?.uri;
    if (best !== undefined) this.cues = cuesOf(String(await call('GET', new URL(best, new URL(playlist, location.href)).pathname, null)));
  }

  /** Listens until the server ends it, or the connection does. */
  async #follow(): Promise<void> {
    const headers = { authorization: `Bearer ${await this.identity.token()}` };
    try {
      const response = await fetch(`/api/v1${this.#base}/ingest/events`, { headers, cache: 'no-store', signal: this.#closed.signal });
      if (!response.ok || response.body === null) return;
      this.following = true;
      const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let reader = newReader; ; ) {
        const { done, value } = await pieces.read();
        if (done) return;
        const taken = take(reader, value);
        reader = taken.reader;
        for (const event of taken.events) this.#tell(event);
      }
    } catch {
      // The page was left, or the server is away: in the latter case we come again.
      return;
    } finally {
      this.following = false;
    }
  }

  #tell(event: string): void {
    const told: unknown = JSON.parse(event);
    const data = member(told, 'data');
    const type = text(told, 'type');
    const rung = text(data, 'rung');
    const pictures = optional(data, 'pictures');
    const about = [rung, text(data, 'reason'), pictures === null ? '' : String(pictures), text(data, 'recording')].filter((word) => word !== '').join(' · ');
    const news: News = { id: text(told, 'id'), type, at: Number(member(told, 'at') ?? 0), about, withheld: optional(told, 'withheld') ?? 0 };
    this.news = [news, ...this.news].slice(0, NEWS_MAX);
    if (type === 'rung.failed') this.failed = new Set([...this.failed, rung]);
    else if (type === 'rung.back') this.failed = new Set([...this.failed].filter((one) => one !== rung));
    else if (type === 'show.live' || type === 'show.ended' || type === 'publish.takeover') this.failed = new Set();
    // What has happened shows in how things stand: that is asked for now rather than in a while.
    void this.#readShow().catch(() => null);
  }

  #say(notice: Notice): void {
    this.toast = notice;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.toast === notice) this.toast = null;
    }, TOAST_MS);
    this.#timers.add(timer);
  }
}
