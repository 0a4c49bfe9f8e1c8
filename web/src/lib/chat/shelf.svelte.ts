/** The emotes of a channel as a reactive value: read when the channel says that it has some, and again when it says so of another number. */

import { type Api, ApiError } from '../api';
import { type Emotes, emotesOf, noEmotes } from './emotes';

export class Shelf {
  emotes = $state.raw<Emotes>(noEmotes);

  /** How many the channel had when they were read. */
  #count = 0;

  constructor(
    private readonly channel: string,
    private readonly api: Api,
  ) {}

  /** The channel has so many. */
  async has(count: number): Promise<void> {
    if (count === this.#count) return;
    this.#count = count;
    if (count === 0) {
      this.emotes = noEmotes;
      return;
    }
    try {
      const { body } = await this.api.call(`/api/v1/channels/${encodeURIComponent(this.channel)}/emotes`);
      if (this.#count === count) this.emotes = emotesOf(body, this.api.base || location.href);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The next time that the channel is asked for they are, too.
      this.#count = -1;
    }
  }
}
