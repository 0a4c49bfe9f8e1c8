/**
 * Judges an encoder by what it sends now, and says what to set. Pure.
 *
 * What is asked for is what README.md recommends to crews; the limits are where fans begin to notice.
 */

import type { Key } from '../i18n/texts.svelte';
import { type Variant, codecName } from './master';

/** How well an encoder sends: `health` of `GET .../ingest`. */
export interface Health {
  readonly video_bits_per_second: number;
  readonly audio_bits_per_second: number;
  readonly frame_rate: number;
  readonly keyframe_interval_ms: number | null;
  readonly keyframe_interval_max_ms: number | null;
  readonly drift_ms: number;
  readonly lag_ms: number;
  readonly starving: boolean;
  readonly dropped_pictures: number;
  readonly timestamp_jumps: number;
}

export type Verdict = 'good' | 'warn' | 'bad' | 'wait';

export interface Check {
  readonly name: 'videoCodec' | 'audioCodec' | 'keyframe' | 'bitrate' | 'frameRate' | 'pace' | 'drift' | 'losses';
  readonly verdict: Verdict;
  /** What to do; null where nothing is. */
  readonly todo: Extract<Key, `check.do.${string}`> | null;
  /** What is wanted, where the advice names it: bits per second. */
  readonly want: number | null;
}

/** A keyframe interval that is asked for is kept to a picture or two. */
const KEYFRAME_GOOD_MS = 2_100;
const KEYFRAME_WARN_MS = 4_100;

/** The least bits per second that a picture of a height takes, and the most that most fans can load. */
const BITS_MIN: readonly (readonly [height: number, bits: number])[] = [
  [1_440, 6_000_000],
  [1_080, 3_000_000],
  [720, 1_500_000],
  [480, 700_000],
  [0, 300_000],
];
const BITS_MAX = 8_000_000;

/** Sound that is more than this beside the picture is heard as such (ITU-R BT.1359: detectable from 45 to 125 ms on). */
const DRIFT_GOOD_MS = 80;
const DRIFT_WARN_MS = 200;

/** Later than its best by so much, media eats what players have kept in hand. */
const LAG_GOOD_MS = 1_500;

/** So many missing pictures are a second of them. */
const DROPPED_WARN = 30;

/** Judges; nothing where nobody sends. */
export function checks(health: Health | null, variants: readonly Variant[]): readonly Check[] {
  if (health === null) return [];
  // The best variant is what the encoder sends itself; the others are made of it.
  const [source] = variants;
  return [
    ...codecs(source),
    keyframe(health, source),
    bitrate(health, source),
    frameRate(health, source),
    pace(health),
    drift(health),
    losses(health),
  ].filter((check) => check !== null);
}

function codecs(source: Variant | undefined): readonly Check[] {
  if (source === undefined) return [check('videoCodec', 'wait'), check('audioCodec', 'wait')];
  const names = source.codecs.map(codecName);
  const video = names.find((name) => name?.kind === 'video')?.name;
  const audio = names.find((name) => name?.kind === 'audio')?.name;
  return [
    video === undefined
      ? check('videoCodec', 'warn', 'check.do.noVideo')
      : video === 'H.264' ? check('videoCodec', 'good') : check('videoCodec', 'warn', 'check.do.videoCodec'),
    audio === undefined
      ? check('audioCodec', 'bad', 'check.do.noAudio')
      : audio === 'AAC' ? check('audioCodec', 'good') : check('audioCodec', 'warn', 'check.do.audioCodec'),
  ];
}

function hasPictures(health: Health, source: Variant | undefined): boolean {
  return health.video_bits_per_second > 0 || source?.height != null;
}

function keyframe(health: Health, source: Variant | undefined): Check | null {
  if (!hasPictures(health, source)) return null;
  const { keyframe_interval_ms: last, keyframe_interval_max_ms: longest } = health;
  if (last === null || longest === null) return check('keyframe', 'wait');
  if (last > KEYFRAME_WARN_MS) return check('keyframe', 'bad', 'check.do.keyframeLong');
  if (last > KEYFRAME_GOOD_MS) return check('keyframe', 'warn', 'check.do.keyframeLong');
  return longest > KEYFRAME_GOOD_MS ? check('keyframe', 'warn', 'check.do.keyframeUneven') : check('keyframe', 'good');
}

function bitrate(health: Health, source: Variant | undefined): Check | null {
  if (!hasPictures(health, source)) return null;
  if (source?.height == null) return check('bitrate', 'wait');
  const bits = health.video_bits_per_second;
  const height = Math.min(source.height, source.width ?? source.height);
  const least = BITS_MIN.find(([from]) => height >= from)?.[1] ?? 0;
  if (bits < least) return { ...check('bitrate', bits < least / 2 ? 'bad' : 'warn', 'check.do.bitrateLow'), want: least };
  return bits > BITS_MAX ? { ...check('bitrate', 'warn', 'check.do.bitrateHigh'), want: BITS_MAX } : check('bitrate', 'good');
}

function frameRate(health: Health, source: Variant | undefined): Check | null {
  if (!hasPictures(health, source)) return null;
  const isUsual = health.frame_rate >= 23.5 && health.frame_rate <= 60.5;
  return isUsual ? check('frameRate', 'good') : check('frameRate', 'warn', 'check.do.frameRate');
}

function pace({ starving, lag_ms: lag }: Health): Check {
  if (starving) return check('pace', 'bad', 'check.do.starving');
  return lag > LAG_GOOD_MS ? check('pace', 'warn', 'check.do.lag') : check('pace', 'good');
}

function drift({ drift_ms: drifted }: Health): Check {
  const far = Math.abs(drifted);
  if (far <= DRIFT_GOOD_MS) return check('drift', 'good');
  return check('drift', far <= DRIFT_WARN_MS ? 'warn' : 'bad', 'check.do.drift');
}

function losses({ dropped_pictures: dropped, timestamp_jumps: jumps }: Health): Check {
  if (dropped === 0 && jumps === 0) return check('losses', 'good');
  return check('losses', dropped > DROPPED_WARN ? 'bad' : 'warn', 'check.do.losses');
}

function check(name: Check['name'], verdict: Verdict, todo: Check['todo'] = null): Check {
  return { name, verdict, todo, want: null };
}
