/** Several regions that have the same rooms: a shell that asks, races and remembers. `choice.ts` decides. */

import { Api } from './api.js';
import { type Choice, type ChoiceInput, type Kept, type Runner, choiceDeadline, noChoice, stepChoice } from './choice.js';
import { type Environment, systemEnvironment } from './environment.js';
import { Listeners } from './listeners.js';
import { isRecord } from './message.js';
import type { OutboxStorage } from './room.js';

export interface RegionsOptions {
  /** Address of a server of any region; of the page, if left out. */
  readonly url?: string;
  /** Where the choice is remembered. */
  readonly storage?: OutboxStorage;
  readonly environment?: Environment;
}

export interface RegionsEvents {
  /** Another region is used from now on. */
  moved: [url: string];
}

const KEY = 'fanwave.region';

export class Regions extends Listeners<RegionsEvents> {
  /** When it is known where to connect first. Never rejects. */
  readonly ready: Promise<void>;
  #choice: Choice = noChoice;
  #cancel: (() => void) | undefined;
  #isAsking = false;
  readonly #environment: Environment;
  readonly #base: string;

  constructor(private readonly options: RegionsOptions = {}) {
    super();
    this.#environment = options.environment ?? systemEnvironment();
    this.#base = (options.url ?? globalThis.location?.origin ?? '').replace(/\/+$/, '');
    this.ready = this.#begin();
  }

  /** Address of the server to use now. */
  get url(): string {
    return this.#choice.current ?? this.#base;
  }

  /** For the client: a try brought no connection, although there is a network. */
  fault(): void {
    void this.#take({ kind: 'fault' });
  }

  /** For the client: there is a connection. */
  opened(): void {
    void this.#take({ kind: 'opened' });
    if (this.#choice.ranked.length === 0) void this.#list(null);
  }

  /** Looks for nothing any more. */
  close(): void {
    this.#cancel?.();
  }

  async #begin(): Promise<void> {
    const kept = await this.#recall();
    if (kept === null) return this.#list(null);
    // What is remembered is used at once, and what has changed is found out beside it.
    await this.#take({ kind: 'listed', urls: kept.urls, kept });
    void this.#list({ url: this.url, until: kept.until });
  }

  async #list(kept: Kept | null): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const urls = await this.#ask(this.url);
    this.#isAsking = false;
    if (urls !== null) await this.#take({ kind: 'listed', urls, kept });
  }

  /** The regions, as a server tells them; null: it does not answer. */
  async #ask(url: string): Promise<readonly string[] | null> {
    try {
      return addresses((await new Api(url, this.#environment).regions()).map((region) => region.url));
    } catch {
      return null;
    }
  }

  async #take(input: ChoiceInput): Promise<void> {
    const before = this.url;
    const { choice, race } = stepChoice(this.#choice, input, this.#environment.now(), this.#environment.random());
    const isNews = choice.until !== this.#choice.until;
    this.#choice = choice;
    if (isNews) void this.#remember();
    if (this.url !== before) this.emit('moved', this.url);
    this.#cancel?.();
    const deadline = choiceDeadline(choice);
    if (deadline !== null) this.#cancel = this.#environment.after(Math.max(0, deadline - this.#environment.now()), () => void this.#take({ kind: 'timeout' }));
    if (race !== null) await this.#take({ kind: 'raced', winner: await this.#race(race) });
  }

  /** Who answers first. Every question has its own end, so that this has one. */
  async #race(runners: readonly Runner[]): Promise<string | null> {
    const runs = runners.map(async ({ url, afterMs }) => {
      await new Promise<void>((resolve) => void this.#environment.after(afterMs, resolve));
      if ((await this.#ask(url)) === null) throw new Error(url);
      return url;
    });
    return Promise.any(runs).catch(() => null);
  }

  async #remember(): Promise<void> {
    const { current, ranked, until } = this.#choice;
    try {
      await this.options.storage?.save(KEY, JSON.stringify({ url: current, urls: ranked, until }));
    } catch {
      // Without storage it is measured anew at the next visit.
    }
  }

  async #recall(): Promise<(Kept & { urls: readonly string[] }) | null> {
    try {
      const kept = JSON.parse((await this.options.storage?.load(KEY)) ?? 'null') as unknown;
      if (!isRecord(kept) || typeof kept['url'] !== 'string' || typeof kept['until'] !== 'number') return null;
      return { url: kept['url'], until: kept['until'], urls: addresses(kept['urls']) };
    } catch {
      return null;
    }
  }
}

/** The addresses in a list; whatever else is in it is passed over. */
function addresses(list: unknown): readonly string[] {
  const all: unknown[] = Array.isArray(list) ? list : [];
  return all.filter((url): url is string => typeof url === 'string' && /^https?:\/\/[^/?#\s]+$/.test(url));
}
