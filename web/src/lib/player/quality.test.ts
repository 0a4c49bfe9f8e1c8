import { expect, test } from 'vitest';

import { choicesOf } from './quality';

test('the best comes first, whatever the order in the playlist', () => {
  const rungs = [
    { height: 360, bitrate: 800_000, sound: 'mp4a.40.2' },
    { height: 1080, bitrate: 4_500_000, sound: 'mp4a.40.2' },
    { height: 720, bitrate: 2_500_000, sound: 'mp4a.40.2' },
  ];
  expect(choicesOf(rungs)).toEqual([
    { rung: 1, label: '1080p' },
    { rung: 2, label: '720p' },
    { rung: 0, label: '360p' },
  ]);
});

test('two rungs of one height are told apart by their bitrate', () => {
  const rungs = [
    { height: 720, bitrate: 1_500_000, sound: 'mp4a.40.2' },
    { height: 720, bitrate: 3_000_000, sound: 'mp4a.40.2' },
  ];
  expect(choicesOf(rungs).map((choice) => choice.label)).toEqual(['720p · 3.0 Mbps', '720p · 1.5 Mbps']);
});

test('a rung without a known height goes by its bitrate', () => {
  expect(choicesOf([{ height: 0, bitrate: 96_000, sound: 'mp4a.40.2' }])).toEqual([{ rung: 0, label: '0.1 Mbps' }]);
});

test('with sound of two codecs, only the rungs with the one that plays are offered', () => {
  const rungs = [
    { height: 720, bitrate: 2_600_000, sound: 'Opus' },
    { height: 360, bitrate: 800_000, sound: 'Opus' },
    { height: 720, bitrate: 2_640_000, sound: 'mp4a.40.2' },
    { height: 360, bitrate: 840_000, sound: 'mp4a.40.2' },
  ];
  const first = [
    { rung: 0, label: '720p' },
    { rung: 1, label: '360p' },
  ];
  expect(choicesOf(rungs)).toEqual(first);
  expect(choicesOf(rungs, 1)).toEqual(first);
  expect(choicesOf(rungs, 3)).toEqual([
    { rung: 2, label: '720p' },
    { rung: 3, label: '360p' },
  ]);
});
