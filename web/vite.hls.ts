/**
 * hls.js from its own sources, without what no stream of ours has (encryption, transport streams, bare audio files, subtitles, interstitials, image
 * playlists) and what nobody here asks for (caps of the quality, tracks of metadata): half of it for a phone to load and to read. Its published
 * bundle has all of it, and its light one no soundtracks.
 */

import { fileURLToPath } from 'node:url';

import hlsPackage from 'hls.js/package.json' with { type: 'json' };
import type { Plugin } from 'vite';

const SOURCES = fileURLToPath(new URL('node_modules/hls.js/src/', import.meta.url));

/** Modules that stand for others: what is left of hls.js names them, and never gets as far as to use them. */
const IN_PLACE: Readonly<Record<string, string>> = {
  'demux/tsdemuxer.ts': 'export default class { static probe() { return false; } }',
  'crypt/aes-decryptor.ts':
    "export default class { constructor() { throw new Error('nothing here is encrypted'); } }\nexport const removePadding = (data) => data;",
};

/** What is cut out of modules, each place once. */
const CUT: Readonly<Record<string, readonly string[]>> = {
  'demux/transmuxer.ts': [
    '  { demux: TSDemuxer, remux: MP4Remuxer },\n',
    '  { demux: AACDemuxer, remux: MP4Remuxer },\n',
    '  { demux: MP3Demuxer, remux: MP4Remuxer },\n',
  ],
  'config.ts': [
    '  capLevelController: CapLevelController,\n',
    '  fpsController: FPSController,\n',
    '  id3TrackController: ID3TrackController,\n',
    '    cueHandler: Cues, // used by timeline-controller\n',
  ],
};

/** Another hls.js may have other modules: then it has to be looked at anew. */
const leaner: Plugin = {
  name: 'fanwave-hls',
  enforce: 'pre',
  load(id) {
    return IN_PLACE[nameOf(id)] ?? null;
  },
  transform(code, id) {
    const cut = CUT[nameOf(id)];
    if (cut === undefined) return null;
    return cut.reduce((rest, piece) => {
      if (rest.split(piece).length !== 2) throw new Error(`hls.js ${hlsPackage.version} has not once in ${nameOf(id)}: ${piece}`);
      return rest.replace(piece, '');
    }, code);
  },
};

function nameOf(id: string): string {
  return id.startsWith(SOURCES) ? id.slice(SOURCES.length) : '';
}

export const hls = {
  plugin: leaner,
  alias: { 'hls.js': `${SOURCES}hls.ts` },
  define: {
    __VERSION__: JSON.stringify(hlsPackage.version),
    __USE_ALT_AUDIO__: 'true',
    __USE_MEDIA_CAPABILITIES__: 'true',
    __USE_CMCD__: 'false',
    __USE_CONTENT_STEERING__: 'false',
    __USE_EME_DRM__: 'false',
    __USE_IFRAMES__: 'false',
    __USE_INTERSTITIALS__: 'false',
    __USE_M2TS_ADVANCED_CODECS__: 'false',
    __USE_SUBTITLES__: 'false',
    __USE_VARIABLE_SUBSTITUTION__: 'false',
  },
};
