import { describe, expect, test } from 'vitest';

import { THUMBNAILS_MAX } from '../limits';
import { parseThumbnails, thumbnailAt } from './thumbnails';

const ORIGIN = Date.parse('2026-11-22T19:00:00.000Z');

const TRACK = `WEBVTT

NOTE times count from 2026-11-22T19:00:00.000Z

00:00:00.000 --> 00:00:10.000
k3x9/thumbnails/0.jpg#xywh=0,0,160,90

00:00:10.000 --> 00:00:20.500
k3x9/thumbnails/0.jpg#xywh=160,0,160,90

01:02:03.004 --> 01:02:13.000
k3x9/thumbnails/at-7.jpg#xywh=0,0,160,90
`;

describe('a track', () => {
  test('is read with its dates and places', () => {
    const track = parseThumbnails(TRACK);
    expect(track).toHaveLength(3);
    expect(track[1]).toEqual({ from: ORIGIN + 10_000, until: ORIGIN + 20_500, file: 'k3x9/thumbnails/0.jpg', x: 160, y: 0, width: 160, height: 90 });
    expect(track[2]?.from).toBe(ORIGIN + 3_723_004);
  });

  test('gives the picture of a moment, and none between two or beyond', () => {
    const track = parseThumbnails(TRACK);
    expect(thumbnailAt(track, ORIGIN)?.x).toBe(0);
    expect(thumbnailAt(track, ORIGIN + 9_999)?.x).toBe(0);
    expect(thumbnailAt(track, ORIGIN + 10_000)?.x).toBe(160);
    expect(thumbnailAt(track, ORIGIN + 20_500)).toBeNull();
    expect(thumbnailAt(track, ORIGIN - 1)).toBeNull();
    expect(thumbnailAt([], ORIGIN)).toBeNull();
  });

  test('without a date, or that is something else, has no pictures', () => {
    expect(parseThumbnails(TRACK.replace(/NOTE.*/, ''))).toEqual([]);
    expect(parseThumbnails('<!doctype html>')).toEqual([]);
    expect(parseThumbnails(TRACK.replaceAll('160,90', '0,90'))).toEqual([]);
    expect(parseThumbnails(TRACK.replace('times count from 2026-11-22', 'times count from yesterday'))).toEqual([]);
  });

  test('of more pictures than are kept has the newest', () => {
    const cue = '00:00:00.000 --> 00:00:01.000\na.jpg#xywh=0,0,1,1\n\n';
    const long = `NOTE times count from 2026-11-22T19:00:00.000Z\n\n${cue.repeat(THUMBNAILS_MAX)}00:00:05.000 --> 00:00:06.000\nb.jpg#xywh=0,0,1,1\n`;
    const track = parseThumbnails(long);
    expect(track).toHaveLength(THUMBNAILS_MAX);
    expect(track.at(-1)?.file).toBe('b.jpg');
  });
});
