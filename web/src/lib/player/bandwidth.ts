/** How fast the network is, by what the page itself was loaded with. Pure. */

/** What the browser says of something that it has loaded. */
export interface Loaded {
  /** Bytes over the network, with its headers; 0 out of a cache. */
  readonly transferSize: number;
  /** When it was asked for, ms; 0 where the browser does not tell. */
  readonly requestStart: number;
  readonly responseStart: number;
  readonly responseEnd: number;
}

/** Less than this says more about the way to the server than about its width. */
const TELLING_BYTES = 20_000;

/** Nothing of ours is delivered at more, bit/s: what is faster does not matter. */
const MOST = 100_000_000;

/**
 * Bits a second, by the largest thing that came over the network; null where nothing tells. What came at the same time shared the network, so it
 * is rather too low than too high.
 */
export function bandwidthOf(loaded: readonly Loaded[]): number | null {
  const telling = loaded.filter(({ transferSize, requestStart }) => transferSize >= TELLING_BYTES && requestStart > 0);
  const [largest] = [...telling].sort((a, b) => b.transferSize - a.transferSize);
  if (largest === undefined) return null;
  const ms = Math.max(1, largest.responseEnd - largest.responseStart);
  return Math.min(MOST, (largest.transferSize * 8_000) / ms);
}
