/** Where the line of a chart runs. Pure. */

import { POINTS_MAX } from '../limits';

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly fromZero: boolean;
  /** So many points are as wide as the chart; as many as are kept, if left out. */
  readonly span?: number;
}

/** The `d` of a path through the points, the newest at the right edge; what was not told is a gap. */
export function path(points: readonly (number | null)[], { width, height, fromZero, span = POINTS_MAX }: Frame): string {
  const told = points.filter((point) => point !== null);
  if (told.length === 0) return '';
  const low = Math.min(fromZero ? 0 : Number.POSITIVE_INFINITY, ...told);
  const high = Math.max(...told);
  // A line that does not move lies in the middle, or on the ground where it is 0.
  const range = high - low || 1;
  const lift = high === low && high !== 0 ? height / 2 : 0;
  const step = width / (span - 1);
  let isDown = false;
  let d = '';
  points.forEach((point, at) => {
    if (point === null) {
      isDown = false;
      return;
    }
    const x = width - (points.length - 1 - at) * step;
    const y = height - lift - ((point - low) / range) * (height - 4) - 1;
    d += `${isDown ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDown = true;
  });
  return d;
}

/** The points with one more, and the oldest let go of. */
export function appended(points: readonly (number | null)[], point: number | null): readonly (number | null)[] {
  return [...points, point].slice(-POINTS_MAX);
}
