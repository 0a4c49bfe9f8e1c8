/** Figures out of what a server tells Prometheus. Pure. Spec: the text exposition format, as `/metrics` writes it. */

/** The sum of a metric over its labels, by the metric's name; of a histogram's buckets, by their upper bound. */
export interface Scrape {
  readonly sums: ReadonlyMap<string, number>;
  readonly buckets: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})? ([^ ]+)/;

/** Reads an answer of `/metrics`; lines that are none are passed over. */
export function scrapeOf(body: string): Scrape {
  const sums = new Map<string, number>();
  const buckets = new Map<string, Map<number, number>>();
  for (const line of body.split('\n')) {
    const [, name, labels = '', written] = LINE.exec(line) ?? [];
    const value = Number(written);
    if (name === undefined || Number.isNaN(value)) continue;
    const bound = /(?:^\{|,)le="([^"]*)"/.exec(labels)?.[1];
    if (name.endsWith('_bucket') && bound !== undefined) {
      const histogram = name.slice(0, -'_bucket'.length);
      const known = buckets.get(histogram) ?? new Map<number, number>();
      const upTo = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound);
      known.set(upTo, (known.get(upTo) ?? 0) + value);
      buckets.set(histogram, known);
    } else {
      sums.set(name, (sums.get(name) ?? 0) + value);
    }
  }
  return { sums, buckets };
}

/** How much of a counter there was in a second between two scrapes; null where it cannot be told. */
export function perSecond(before: Scrape, after: Scrape, name: string, seconds: number): number | null {
  const [from, to] = [before.sums.get(name), after.sums.get(name)];
  // A counter that went back is that of another process.
  return from === undefined || to === undefined || to < from || seconds <= 0 ? null : (to - from) / seconds;
}

/**
 * The value that a share of what was observed between two scrapes stays below, in the metric's own unit; null where nothing
 * was observed. It is the upper bound of a bucket, so the truth is no larger; beyond the last bound nothing is known.
 */
export function quantile(before: Scrape, after: Scrape, name: string, share: number): number | null {
  const [from, to] = [before.buckets.get(name), after.buckets.get(name)];
  if (from === undefined || to === undefined) return null;
  const bounds = [...to.keys()].sort((a, b) => a - b);
  const upTo = (bound: number) => (to.get(bound) ?? 0) - (from.get(bound) ?? 0);
  const all = upTo(Number.POSITIVE_INFINITY);
  if (all <= 0) return null;
  const found = bounds.find((bound) => upTo(bound) >= share * all) ?? Number.POSITIVE_INFINITY;
  return Number.isFinite(found) ? found : (bounds.filter(Number.isFinite).at(-1) ?? null);
}
