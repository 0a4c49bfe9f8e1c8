/** What an operator sees: every server by `GET .../nodes`, who watches which channel, and the figures of the server that answers. */

import { again } from '../again';
import { Refusal, call, member } from '../call';
import { FIGURES_MS } from '../limits';
import { appended } from '../parts/chart';
import type { Identity } from '../people/identity.svelte';
import { list, optional, text } from '../room/rules';
import { type Scrape, perSecond, quantile, scrapeOf } from './metrics';

/** One server; docs/openapi.json has what each figure means. */
export interface Node {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly this: boolean;
  readonly draining: boolean;
  readonly started_at: number;
  readonly heard_at: number;
  readonly connections: number;
  readonly connections_max: number;
  readonly rooms: number;
  readonly busy_percent: number;
  readonly region: string | null;
  readonly viewers: number;
}

/** What it has cost so far, by `GET .../cost`; docs/openapi.json has what each figure means. */
export interface Cost {
  readonly since: number;
  readonly servers: number;
  readonly server_hours: number;
  readonly chat_bytes: number;
  readonly http_bytes: number;
  readonly audience: number;
  readonly prices: { readonly currency: string } | null;
  readonly money: { readonly chat: number; readonly http: number; readonly servers: number; readonly total: number; readonly per_thousand: number | null } | null;
}

export interface Audience {
  readonly channel: string;
  readonly title: string;
  readonly connections: number;
  readonly users: number;
}

export const FIGURES = ['all', 'fanout50', 'fanout99', 'deliveries', 'sent', 'media', 'http', 'log'] as const;

export type Figures = Readonly<Record<(typeof FIGURES)[number], readonly (number | null)[]>>;

const NOTHING: Figures = { all: [], fanout50: [], fanout99: [], deliveries: [], sent: [], media: [], http: [], log: [] };

export class Fleet {
  nodes = $state.raw<readonly Node[]>([]);
  /** By the clock of the servers, Unix ms. */
  now = $state(0);
  audiences = $state.raw<readonly Audience[]>([]);
  cost = $state.raw<Cost | null>(null);
  figures = $state.raw<Figures>(NOTHING);
  /** Whether `/metrics` can be read from here. */
  measured = $state(true);
  answered = $state(true);

  #last: { readonly at: number; readonly scrape: Scrape } | null = null;
  /** Ends the asking. */
  readonly close: () => void;

  constructor(private readonly identity: Identity) {
    this.close = again(() => this.#read(), FIGURES_MS);
  }

  async #read(): Promise<void> {
    try {
      await Promise.all([this.#readNodes(), this.#readAudiences(), this.#readCost(), this.#readMetrics()]);
      this.answered = true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.answered = error.status !== null;
      if (error.status === 401) this.identity.refused();
    }
  }

  async #readNodes(): Promise<void> {
    const body = await call('GET', '/api/v1/nodes', await this.identity.token());
    this.nodes = list(body, 'nodes').map((node) => node as Node);
    this.now = optional(body, 'now') ?? 0;
  }

  async #readAudiences(): Promise<void> {
    const channels = list(await call('GET', '/api/v1/channels', null), 'channels');
    const token = await this.identity.token();
    this.audiences = await Promise.all(
      channels.map(async (channel) => {
        const id = text(channel, 'id');
        const stats = await call('GET', `/api/v1/channels/${encodeURIComponent(id)}/stats`, token);
        const { connections, users } = (member(member(stats, 'chat'), 'everywhere') ?? {}) as { connections?: number; users?: number };
        return { channel: id, title: text(channel, 'title'), connections: connections ?? 0, users: users ?? 0 };
      }),
    );
  }

  async #readCost(): Promise<void> {
    this.cost = (await call('GET', '/api/v1/cost', await this.identity.token())) as Cost;
  }

  async #readMetrics(): Promise<void> {
    const at = performance.now();
    let scrape: Scrape;
    try {
      scrape = scrapeOf(String(await call('GET', '/metrics', null)));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.measured = false;
      return;
    }
    this.measured = scrape.sums.has('fanwave_build_info');
    const last = this.#last;
    this.#last = { at, scrape };
    const rate = (name: string) => (last === null ? null : perSecond(last.scrape, scrape, name, (at - last.at) / 1000));
    const millis = (name: string, share: number) => {
      const seconds = last === null ? null : quantile(last.scrape, scrape, name, share);
      return seconds === null ? null : seconds * 1000;
    };
    const { figures } = this;
    this.figures = {
      all: appended(figures.all, this.nodes.length === 0 ? null : this.nodes.reduce((sum, node) => sum + node.connections, 0)),
      fanout50: appended(figures.fanout50, millis('fanwave_gateway_sweep_lag_seconds', 0.5)),
      fanout99: appended(figures.fanout99, millis('fanwave_gateway_sweep_lag_seconds', 0.99)),
      deliveries: appended(figures.deliveries, rate('fanwave_gateway_deliveries_total')),
      sent: appended(figures.sent, rate('fanwave_gateway_sent_bytes_total')),
      media: appended(figures.media, rate('fanwave_origin_media_requests_total')),
      http: appended(figures.http, scrape.sums.get('fanwave_http_connections') ?? null),
      log: appended(figures.log, millis('fanwave_log_transaction_seconds', 0.99)),
    };
  }
}
