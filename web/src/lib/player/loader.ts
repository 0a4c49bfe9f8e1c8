/**
 * The loader of hls.js, but for what the page has fetched before there was a player (`early.ts`): that is handed over, with the time that it took
 * on the network, so that the choice of a quality goes by the network and not by how fast memory is.
 */

import type { Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext } from 'hls.js';

import { type Fetched, takeFetched } from '../early';

type HlsModule = typeof import('hls.js');

/** What hls.js makes for each request. */
export function loaderOf(module: HlsModule): HlsModule['default']['DefaultConfig']['loader'] {
  const Network = module.default.DefaultConfig.loader as new (config: unknown) => Loader<LoaderContext>;
  class EarlyLoader extends Network {
    #gone = false;
    /** Whom to tell when what is under way is not wanted any more. */
    #waiting: LoaderCallbacks<LoaderContext> | null = null;
    /** When what is handed over was asked for; null for what comes from the network. */
    #askedAt: number | null = null;

    override load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
      const isWhole = context.rangeEnd === undefined || context.rangeEnd === 0;
      const what = isWhole ? takeFetched(context.url) : null;
      if (what === null) {
        super.load(context, config, callbacks);
        return;
      }
      this.context = context;
      this.#waiting = callbacks;
      void what.then(
        (early) => {
          this.#waiting = null;
          if (!this.#gone) this.#handOver(early, context, callbacks);
        },
        () => {
          this.#waiting = null;
          if (!this.#gone) super.load(context, config, callbacks);
        },
      );
    }

    override abort(): void {
      this.#gone = true;
      if (this.#waiting === null || this.context === null) super.abort();
      else this.#waiting.onAbort?.(this.stats, this.context, null);
    }

    override destroy(): void {
      this.#gone = true;
      super.destroy();
    }

    override getCacheAge = (): number | null => {
      if (this.#askedAt === null) return super.getCacheAge?.() ?? null;
      return (performance.now() - this.#askedAt) / 1000;
    };

    #handOver({ body, askedAt, firstAt, endAt }: Fetched, context: LoaderContext, callbacks: LoaderCallbacks<LoaderContext>): void {
      const { stats } = this;
      const now = performance.now();
      this.#askedAt = askedAt;
      stats.loading.start = now - (endAt - askedAt);
      stats.loading.first = now - (endAt - firstAt);
      stats.loading.end = now;
      stats.loaded = body.byteLength;
      stats.total = body.byteLength;
      const data = context.responseType === 'text' ? new TextDecoder().decode(body) : body;
      callbacks.onSuccess({ url: context.url, data, code: 200 }, stats, context, null);
    }
  }
  return EarlyLoader as unknown as HlsModule['default']['DefaultConfig']['loader'];
}
