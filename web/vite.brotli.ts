/**
 * Packs what was built with Brotli as tightly as that can, once, so that no server has to: `X.br` lies beside `X`, and servers send it to whoever
 * takes it (crates/fanwave/src/assets.rs). A phone far out has the page a tenth sooner than with gzip.
 */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';

import type { Plugin } from 'vite';

/** What is text; pictures are packed already. */
const PACKED = new Set(['.css', '.html', '.js', '.json', '.svg']);

/** Smaller files fit into one packet as they are. */
const FROM_BYTES = 1_024;

let folder = '';

export const brotli: Plugin = {
  name: 'fanwave-brotli',
  apply: 'build',
  enforce: 'post',
  configResolved({ build }) {
    folder = build.outDir;
  },
  async closeBundle() {
    const files = await readdir(folder, { recursive: true });
    // What another build has put there is packed already.
    const plain = files.filter((name) => PACKED.has(extname(name)) && !files.includes(`${name}.br`));
    await Promise.all(plain.map((name) => pack(join(folder, name))));
  },
};

async function pack(path: string): Promise<void> {
  const plain = await readFile(path);
  if (plain.length < FROM_BYTES) return;
  const { BROTLI_PARAM_SIZE_HINT, BROTLI_PARAM_QUALITY, BROTLI_MAX_QUALITY } = constants;
  const params = { [BROTLI_PARAM_QUALITY]: BROTLI_MAX_QUALITY, [BROTLI_PARAM_SIZE_HINT]: plain.length };
  const packed = await promisify(brotliCompress)(plain, { params });
  if (packed.length < plain.length) await writeFile(`${path}.br`, packed);
}
