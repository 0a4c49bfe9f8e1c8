/**
 * Asks the API how the show stands, as often as that matters, and keeps the answer as a reactive value.
 *
 * While all is well it asks twice a minute; while something is wrong, about every 3 s, beginning sooner. Every wait is
 * jittered. It never gives up.
 */

import type { Asked } from '@fanwave/client/quality';

import { type Api, ApiError, type Channel, channel, firstChannelId, here } from './api';
import { TROUBLED_POLL, backoffMs, jitteredMs } from './backoff';
import type { ShowStatus } from './player/supervisor';

/** How often to ask while all is well. */
const CALM_INTERVAL_MS = 30_000;

/** Why there is nothing to show. */
export type Missing =
  /** The address names a channel that does not exist. */
  | 'channel'
  /** The server has no channel at all. */
  | 'any';

export class Show {
  /** The newest answer; kept while the server is away. */
  channel = $state.raw<Channel | null>(null);
  missing = $state<Missing | null>(null);
  /** Which pages are to tell how their pictures play; null where none is. */
  asked: Asked | null = null;
  /** Server clock minus ours, ms. */
  skewMs = 0;

  #id: string | null;
  #troubled = true;
  #tries = 0;
  #asking = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /**
   * @param id the channel; null for the server's first
   * @param onStatus hears of every answer, and of every absence of one
   */
  constructor(
    id: string | null,
    private readonly onStatus: (status: Exclude<ShowStatus, 'unknown'>) => void,
    private readonly api: Api = here,
  ) {
    this.#id = id;
  }

  /** Begins to ask. */
  start(): void {
    void this.#ask();
  }

  /** Something is wrong, or nothing is any more: changes how often it asks. */
  troubled(troubled: boolean): void {
    if (troubled === this.#troubled) return;
    this.#troubled = troubled;
    this.#tries = 0;
    this.#schedule();
  }

  /** Something suggests that the answer has changed: asks soon. */
  nudge(): void {
    this.#tries = 0;
    this.#schedule();
  }

  /** Stops for good. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const status = await this.#answer();
    this.#asking = false;
    if (this.#closed) return;
    this.onStatus(status);
    this.#schedule();
  }

  async #answer(): Promise<Exclude<ShowStatus, 'unknown'>> {
    try {
      this.#id ??= await firstChannelId(this.api);
      if (this.#id === null) {
        this.missing = 'any';
        return 'offline';
      }
      const answer = await channel(this.#id, this.api);
      this.channel = answer.channel;
      this.asked = answer.asked;
      this.skewMs = answer.skewMs;
      this.missing = null;
      return answer.channel.live ? 'live' : 'offline';
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        this.missing = 'channel';
        return 'offline';
      }
      return 'unreachable';
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const wait = this.#troubled
      ? backoffMs(TROUBLED_POLL, this.#tries, Math.random())
      : jitteredMs(CALM_INTERVAL_MS, Math.random());
    this.#tries += 1;
    this.#timer = setTimeout(() => void this.#ask(), wait);
  }
}
