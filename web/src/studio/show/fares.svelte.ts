/** Asks how the players of a channel fare, again and again, for as long as somebody looks. */

import { again } from '../again';
import { Refusal, call } from '../call';
import { FIGURES_MS } from '../limits';
import type { Identity } from '../people/identity.svelte';
import { type Fares, faresOf } from './fares';

export class Audience {
  /** Null before the first answer. */
  fares = $state.raw<Fares | null>(null);

  /** Ends the asking. */
  readonly close: () => void;

  constructor(
    private readonly identity: Identity,
    private readonly channel: string,
  ) {
    this.close = again(() => this.#read(), FIGURES_MS);
  }

  async #read(): Promise<void> {
    try {
      const path = `/api/v1/channels/${encodeURIComponent(this.channel)}/quality`;
      this.fares = faresOf(await call('GET', path, await this.identity.token()));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // What was heard last stays; that the server is away is said once for the whole page.
      if (error.status === 401) this.identity.refused();
    }
  }
}
