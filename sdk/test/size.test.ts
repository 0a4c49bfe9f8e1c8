/** What the SDK costs a page: bundled as an app would, with the client library in it; and what reports of players do, which stand alone. */

import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

/** KiB, packed. */
const PACKED_KIB_MAX = 40;
const QUALITY_KIB_MAX = 4;

async function bundled(entry: string): Promise<{ readonly code: string; readonly kib: number }> {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const built = await build({
    root,
    configFile: false,
    logLevel: 'silent',
    build: { write: false, minify: true, target: 'es2022', lib: { entry: `${root}src/${entry}`, formats: ['es'], fileName: 'client' } },
  });
  const outputs = (Array.isArray(built) ? built : [built]).flatMap((one) => ('output' in one ? one.output : []));
  const code = outputs.map((output) => (output.type === 'chunk' ? output.code : '')).join('');
  const kib = gzipSync(code).length / 1024;
  console.log(`${entry}: ${(code.length / 1024).toFixed(1)} KiB, packed ${kib.toFixed(1)} KiB`);
  return { code, kib };
}

test('it is small', async () => {
  const { code, kib } = await bundled('index.ts');
  expect(code, 'the client library is in it').toContain('connection/websocket');
  expect(code, 'reports of players are not').not.toContain('played_ms');
  expect(kib).toBeLessThanOrEqual(PACKED_KIB_MAX);
});

test('reports of players are smaller, and stand alone', async () => {
  const { code, kib } = await bundled('quality/index.ts');
  expect(code).toContain('played_ms');
  expect(code).not.toContain('connection/websocket');
  expect(kib).toBeLessThanOrEqual(QUALITY_KIB_MAX);
});
