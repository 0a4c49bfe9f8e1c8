import { expect, test } from 'vitest';

import { codecName, cuesOf, variantsOf } from './master';
import { type Health, checks } from './preflight';

const MASTER = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",URI="p/audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=118660,CODECS="mp4a.40.2",AUDIO="audio"
p/audio.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3224479,AVERAGE-BANDWIDTH=2741314,CODECS="avc1.42c01f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=30.000,AUDIO="audio"
p/video.m3u8
`;

const GOOD: Health = {
  video_bits_per_second: 2_500_000, audio_bits_per_second: 100_000, frame_rate: 30, keyframe_interval_ms: 2_000, keyframe_interval_max_ms: 2_000,
  drift_ms: 0, lag_ms: 30, starving: false, dropped_pictures: 0, timestamp_jumps: 0,
};

const judged = (change: Partial<Health>, master = MASTER) =>
  Object.fromEntries(checks({ ...GOOD, ...change }, variantsOf(master)).filter(({ verdict }) => verdict !== 'good').map(({ name, verdict, todo }) => [name, `${verdict} ${todo}`]));

test('a playlist names its variants, the best first', () => {
  const [best, sound] = variantsOf(MASTER);
  expect(best).toMatchObject({ uri: 'p/video.m3u8', width: 1280, height: 720, frameRate: 30, codecs: ['avc1.42c01f', 'mp4a.40.2'] });
  expect(sound).toMatchObject({ height: null, codecs: ['mp4a.40.2'] });
  expect(['avc1.1', 'hvc1.1', 'av01.0', 'mp4a.40.2', 'Opus', 'x'].map((codec) => codecName(codec)?.name)).toEqual(['H.264', 'HEVC', 'AV1', 'AAC', 'Opus', undefined]);
  expect(variantsOf('<html>')).toEqual([]);
});

test('events are read out of a playlist, and what is none is not', () => {
  const line = '#EXT-X-DATERANGE:ID="song-7",CLASS="org.example.song",START-DATE="2026-11-28T19:18:32.635Z",DURATION=214.0,X-TITLE="Encore, again"';
  expect(cuesOf(`#EXTM3U\n${line}\n#EXT-X-DATERANGE:ID="x"`)).toEqual([
    { id: 'song-7', kind: 'org.example.song', title: 'Encore, again', start: Date.parse('2026-11-28T19:18:32.635Z'), duration: 214 },
  ]);
});

test('an encoder as it should be is good in everything, and none is judged where none sends', () => {
  expect(judged({})).toEqual({});
  expect(checks(GOOD, variantsOf(MASTER))).toHaveLength(8);
  expect(checks(null, [])).toEqual([]);
});

test.each<[Partial<Health>, object]>([
  [{ keyframe_interval_ms: 10_000, keyframe_interval_max_ms: 10_000 }, { keyframe: 'bad check.do.keyframeLong' }],
  [{ keyframe_interval_ms: 3_000, keyframe_interval_max_ms: 3_000 }, { keyframe: 'warn check.do.keyframeLong' }],
  [{ keyframe_interval_ms: 400, keyframe_interval_max_ms: 8_000 }, { keyframe: 'warn check.do.keyframeUneven' }],
  [{ keyframe_interval_ms: null, keyframe_interval_max_ms: null }, { keyframe: 'wait null' }],
  [{ video_bits_per_second: 1_000_000 }, { bitrate: 'warn check.do.bitrateLow' }],
  [{ video_bits_per_second: 100_000 }, { bitrate: 'bad check.do.bitrateLow' }],
  [{ video_bits_per_second: 20_000_000 }, { bitrate: 'warn check.do.bitrateHigh' }],
  [{ frame_rate: 10 }, { frameRate: 'warn check.do.frameRate' }],
  [{ starving: true, lag_ms: 9_000 }, { pace: 'bad check.do.starving' }],
  [{ lag_ms: 2_000 }, { pace: 'warn check.do.lag' }],
  [{ drift_ms: -150 }, { drift: 'warn check.do.drift' }],
  [{ drift_ms: 900 }, { drift: 'bad check.do.drift' }],
  [{ dropped_pictures: 3 }, { losses: 'warn check.do.losses' }],
  [{ dropped_pictures: 300, timestamp_jumps: 1 }, { losses: 'bad check.do.losses' }],
])('%j is told of, with what to do', (health, wanted) => {
  expect(judged(health)).toEqual(wanted);
});

test('what some devices cannot play is told of, and so is what is missing', () => {
  expect(judged({}, MASTER.replaceAll('avc1.42c01f', 'hvc1.1.6.L93.B0').replaceAll('mp4a.40.2', 'Opus'))).toEqual({
    videoCodec: 'warn check.do.videoCodec', audioCodec: 'warn check.do.audioCodec',
  });
  expect(judged({}, MASTER.replaceAll(',mp4a.40.2', ''))).toEqual({ audioCodec: 'bad check.do.noAudio' });
  // A channel of sound alone is judged by its sound.
  const sound = MASTER.split('\n').slice(0, 4).join('\n');
  expect(checks({ ...GOOD, video_bits_per_second: 0 }, variantsOf(sound)).map(({ name }) => name)).toEqual(['videoCodec', 'audioCodec', 'pace', 'drift', 'losses']);
});
