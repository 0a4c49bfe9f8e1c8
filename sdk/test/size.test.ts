/** What the SDK costs a page: bundled as an app would, with the client library in it. */

import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

/** KiB, packed. */
const PACKED_KIB_MAX = 40;

test('it is small', async () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const built = await build({
    root,
    configFile: false,
    logLevel: 'silent',
    build: { write: false, minify: true, target: 'es2022', lib: { entry: `${root}src/index.ts`, formats: ['es'], fileName: 'client' } },
  });
  const outputs = (Array.isArray(built) ? built : [built]).flatMap((one) => ('output' in one ? one.output : []));
  const code = outputs.map((output) => (output.type === 'chunk' ? output.code : '')).join('');
  const kib = gzipSync(code).length / 1024;
  console.log(`bundled with centrifuge: ${(code.length / 1024).toFixed(1)} KiB, packed ${kib.toFixed(1)} KiB`);
  expect(code, 'the client library is in it').toContain('connection/websocket');
  expect(kib).toBeLessThanOrEqual(PACKED_KIB_MAX);
});
