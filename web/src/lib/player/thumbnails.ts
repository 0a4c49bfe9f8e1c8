/** The small pictures of a show: reads the server's WebVTT track (docs/thumbnails.md) and finds the picture of a moment. Pure. */

import { THUMBNAILS_MAX } from '../limits';

/** One picture: a part of a sheet, or a file of its own. */
export interface Thumbnail {
  /** From and until when, Unix ms. */
  readonly from: number;
  readonly until: number;
  /** Address, relative to the track's. */
  readonly file: string;
  /** Its part of the file, px. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const NOTE = /^NOTE times count from (\S+)$/;
const TIMES = /^(\d+):(\d\d):(\d\d)\.(\d{3}) --> (\d+):(\d\d):(\d\d)\.(\d{3})/;
const PLACE = /^(\S+)#xywh=(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})$/;

/** Reads a track, oldest first; what cannot be read is left out, and of too many the oldest are. */
export function parseThumbnails(text: string): readonly Thumbnail[] {
  let origin = Number.NaN;
  let times: readonly [number, number] | null = null;
  const found: Thumbnail[] = [];
  for (const line of text.split(/\r?\n/)) {
    const note = NOTE.exec(line)?.[1];
    if (note !== undefined) origin = Date.parse(note);
    const cue = TIMES.exec(line);
    if (cue !== null) {
      times = [milliseconds(cue.slice(1, 5)), milliseconds(cue.slice(5, 9))];
      continue;
    }
    const place = PLACE.exec(line);
    if (place === null || times === null || Number.isNaN(origin)) continue;
    const [x, y, width, height] = place.slice(2).map(Number) as [number, number, number, number];
    if (width > 0 && height > 0) found.push({ from: origin + times[0], until: origin + times[1], file: place[1] ?? '', x, y, width, height });
    times = null;
  }
  return found.length > THUMBNAILS_MAX ? found.slice(found.length - THUMBNAILS_MAX) : found;
}

/** The picture of a moment, Unix ms; null where there is none. */
export function thumbnailAt(track: readonly Thumbnail[], at: number): Thumbnail | null {
  let [low, high] = [0, track.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((track[middle]?.from ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  const found = track[low - 1];
  return found !== undefined && at < found.until ? found : null;
}

function milliseconds(parts: readonly string[]): number {
  const [hours, minutes, seconds, rest] = parts.map(Number) as [number, number, number, number];
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest;
}
