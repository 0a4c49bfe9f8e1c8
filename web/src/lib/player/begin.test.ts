import { describe, expect, test } from 'vitest';

import { firstMedia, lowest } from './begin';

const BASE = 'https://fans.example/live/demo/master.m3u8';
const MASTER = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Other, too",LANGUAGE="ko",DEFAULT=NO,AUTOSELECT=YES,URI="audio-2.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Main",DEFAULT=YES,AUTOSELECT=YES,URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=3000000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="audio"
video.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=250000,AVERAGE-BANDWIDTH=1,CODECS="hvc1.1,mp4a.40.2",RESOLUTION=256x144,AUDIO="audio"
hevc.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=300000,CODECS="avc1.64000c,mp4a.40.2",RESOLUTION=256x144,AUDIO="audio"
144p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=130000,CODECS="mp4a.40.2",AUDIO="audio"
audio.m3u8
`;
const playsAvc = (codecs: string) => !codecs.includes('hvc1');
const HEAD = '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.000,HOLD-BACK=6.000\n#EXT-X-MAP:URI="x/init.mp4"\n';
const segment = (n: number) => `#EXTINF:2.000,\nx/${n}.m4s\n`;
const part = (n: number, at: number, more = '') => `#EXT-X-PART:DURATION=1.000,URI="x/${n}.${at}.m4s"${more}\n`;
const names = (playlist: string) => firstMedia(playlist, BASE).map((address) => address.replace('https://fans.example/live/demo/x/', ''));

describe('the lowest quality', () => {
  test('is that of the least bandwidth with a picture that can be played', () => {
    expect(lowest(MASTER, BASE, playsAvc)).toEqual({ video: 'https://fans.example/live/demo/144p.m3u8', audio: 'https://fans.example/live/demo/audio.m3u8' });
    expect(lowest(MASTER, BASE, () => true)?.video).toBe('https://fans.example/live/demo/hevc.m3u8');
  });

  test('is none where nothing can be played, or nothing is there', () => {
    expect(lowest(MASTER, BASE, () => false)).toBeNull();
    for (const text of ['', '<html>', '#EXT-X-STREAM-INF:RESOLUTION=1x1', '#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8']) {
      expect(lowest(text, BASE, () => true), text).toBeNull();
    }
  });
});

describe('the first media', () => {
  test('is the part three parts before the end', () => {
    const parts = part(3, 0, ',INDEPENDENT=YES') + part(3, 1);
    const playlist = HEAD + segment(1) + segment(2) + parts + segment(3) + part(4, 0, ',INDEPENDENT=YES') + part(4, 1);
    // The end is at 8 s, the target at 5 s: in the second part of segment 3, which begins with its first.
    expect(names(playlist)).toEqual(['init.mp4', '3.0.m4s']);
    // Sound can begin anywhere.
    expect(names(playlist.replaceAll(',INDEPENDENT=YES', ''))).toEqual(['init.mp4', '3.1.m4s']);
  });

  test('is a whole segment where its parts are not listed any more', () => {
    const playlist = HEAD + segment(1) + segment(2) + part(3, 0, ',INDEPENDENT=YES');
    expect(names(playlist)).toEqual(['init.mp4', '2.m4s']);
  });

  test('is the beginning of a show that has just begun', () => {
    expect(names(HEAD + part(1, 0, ',INDEPENDENT=YES'))).toEqual(['init.mp4', '1.0.m4s']);
  });

  test('is nothing where it is a gap, or is no playlist of low latency', () => {
    expect(names(HEAD + segment(1) + '#EXT-X-GAP\n' + segment(2) + part(3, 0, ',INDEPENDENT=YES,GAP=YES'))).toEqual([]);
    for (const text of ['', '<html>', HEAD, segment(1), HEAD.replace('PART-HOLD-BACK=3.000,', '') + segment(1)]) expect(names(text), text).toEqual([]);
  });
});
