/**
 * Has the server told how the picture plays, where it asks this view of the page to (docs/quality.md). What tells it is fetched when there is a
 * picture, and some time after that: until then the network belongs to the picture.
 */

import type { QualityReport } from '@fanwave/client/quality';

import { REPORT_AFTER_MS } from './limits';
import type { Player } from './player/player.svelte';
import type { Show } from './show.svelte';

export class Reporting {
  /** Which of all views this is: it reports while the server asks for a share that is larger. */
  readonly #draw = Math.random();
  #report: QualityReport | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** @param base where the server is, without a path; empty for the page's own */
  constructor(
    private readonly show: Show,
    private readonly player: Player,
    private readonly base: () => string,
  ) {}

  /** There is a picture. */
  begin(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.#load(), REPORT_AFTER_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#report?.stop();
  }

  async #load(): Promise<void> {
    const { show, player } = this;
    const { channel, asked } = show;
    const video = player.element;
    if (channel === null || video === null || asked === null || this.#draw >= asked.sample) return;
    const module = await import('@fanwave/client/quality').catch(() => null);
    if (module === null || this.#closed) return;
    this.#report = module.reportQuality(video, {
      channel: channel.id,
      url: this.base,
      asked,
      draw: this.#draw,
      startupMs: () => player.startupMs,
      // How far a fan has gone back is their own choice, and no fault of anybody's.
      latencyMs: () => (player.isBehindByChoice ? null : player.latency),
      rung: () => player.rung(),
      errors: () => player.losses,
      waits: () => player.phase === 'reconnecting',
    });
  }
}
