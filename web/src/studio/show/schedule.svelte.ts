/** The shows that a channel's staff has announced: read again and again, since others decide about them, too. */

import { again } from '../again';
import { Refusal, member } from '../call';
import { FIGURES_MS } from '../limits';
import type { Backstage } from './backstage.svelte';
import { type Act, OVER_MS, type Show, arranged, showOf, showsOf } from './shows';

/** Shows of one page. */
const PAGE = 100;

export class Schedule {
  /** Whether shows are kept here: where accounts are. Null until that is known. */
  kept = $state<boolean | null>(null);
  shows = $state.raw<readonly Show[]>([]);
  /** Why the last act was refused. */
  refusal = $state.raw<Refusal | null>(null);

  /** Ends the reading. */
  readonly close: () => void;

  readonly #base: string;

  constructor(private readonly backstage: Backstage) {
    this.#base = `/channels/${encodeURIComponent(backstage.channel)}`;
    this.close = again(() => this.#look(), FIGURES_MS);
  }

  /** Announces a show, or changes one. False where it was refused. */
  async save(id: string | null, body: object): Promise<boolean> {
    return id === null ? this.#try('POST', '/shows', body) : this.#try('PATCH', `/shows/${encodeURIComponent(id)}`, body);
  }

  async act(show: Show, act: Act): Promise<boolean> {
    return this.#try('POST', `/shows/${encodeURIComponent(show.id)}/${act}`);
  }

  async #try(method: 'POST' | 'PATCH', path: string, body?: object): Promise<boolean> {
    this.refusal = null;
    try {
      await this.backstage.call(method, this.#base + path, body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refusal = error;
    }
    // Whether it was done or not: this is how it stands.
    await this.#read().catch(() => null);
    return this.refusal === null;
  }

  async #look(): Promise<void> {
    try {
      await this.#read();
    } catch (error) {
      // The page says itself when the server does not answer.
      if (!(error instanceof Refusal)) throw error;
    }
  }

  async #read(): Promise<void> {
    this.kept ??= await this.#isKept();
    if (!this.kept) return;
    const now = Date.now();
    const [page, channel] = await Promise.all([
      this.backstage.call('GET', `${this.#base}/shows?from=${now - OVER_MS}&limit=${PAGE}`),
      this.backstage.call('GET', this.#base),
    ]);
    // What is on or late may have begun long ago, and is in the channel itself.
    const others = [showOf(member(channel, 'show')), showOf(member(channel, 'next_show'))].filter((show) => show !== null);
    this.shows = arranged([...others, ...showsOf(page)], now);
  }

  /** They are kept where accounts are; asked once, because asking for shows where there are none is an error. */
  async #isKept(): Promise<boolean> {
    const ways = await this.backstage.call('GET', '/sessions');
    return member(ways, 'passwords') === true || (member(ways, 'oidc') ?? null) !== null;
  }
}
