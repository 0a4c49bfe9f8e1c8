/** How players fare, out of what `GET .../quality` answers (docs/quality.md). Pure. */

import { member } from '../call';
import { FARES_MAX } from '../limits';
import { list, optional, text } from '../room/rules';

/** What is drawn over time. */
export const FARES = ['viewers', 'stalled', 'startup50', 'startup95', 'latency50', 'latency95', 'bitrate', 'errors'] as const;

export type Fare = (typeof FARES)[number];

/** A class of qualities, and the part of the time in which it was watched. */
export interface Watched {
  /** Up to so many pixels on the shorter side; null: more than the largest class has. */
  readonly height: number | null;
  readonly percent: number;
}

export interface Fares {
  /** What the server that has heard it is called. */
  readonly server: string;
  /** The share of all pages that are asked, percent; null where none is. */
  readonly asked: number | null;
  /** Beacons of the last five minutes. */
  readonly beacons: number;
  readonly series: Readonly<Record<Fare, readonly (number | null)[]>>;
  readonly watched: readonly Watched[];
}

/** Where each is in a point of the answer. */
const PLACES: Readonly<Record<Exclude<Fare, 'viewers'>, string>> = {
  stalled: 'stalled_percent',
  startup50: 'startup_p50_ms',
  startup95: 'startup_p95_ms',
  latency50: 'latency_p50_ms',
  latency95: 'latency_p95_ms',
  bitrate: 'bitrate',
  errors: 'errors',
};

/** Reads an answer. */
export function faresOf(body: unknown): Fares {
  const points = list(body, 'points').slice(-FARES_MAX);
  const total = member(body, 'total');
  const sample = optional(member(body, 'asked'), 'sample');
  const of = (name: Fare) => points.map((point) => (name === 'viewers' ? optional(point, name) : optional(member(point, 'figures'), PLACES[name])));
  return {
    server: text(body, 'server'),
    asked: sample === null ? null : sample * 100,
    beacons: optional(total, 'beacons') ?? 0,
    series: {
      viewers: of('viewers'),
      stalled: of('stalled'),
      startup50: of('startup50'),
      startup95: of('startup95'),
      latency50: of('latency50'),
      latency95: of('latency95'),
      bitrate: of('bitrate'),
      errors: of('errors'),
    },
    watched: list(total, 'rungs').map((rung) => ({ height: optional(rung, 'height'), percent: optional(rung, 'percent') ?? 0 })),
  };
}
