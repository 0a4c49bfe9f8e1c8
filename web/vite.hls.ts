/**
 * hls.js from its own sources, without what no stream of ours has (encryption with licences, subtitles, interstitials, image playlists) and what
 * nobody here asks for: a third less for a phone to load and to read. Its published bundle has all of it, and its light one no soundtracks.
 */

import { fileURLToPath } from 'node:url';

import hlsPackage from 'hls.js/package.json' with { type: 'json' };

export const hls = {
  alias: { 'hls.js': fileURLToPath(new URL('node_modules/hls.js/src/hls.ts', import.meta.url)) },
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
