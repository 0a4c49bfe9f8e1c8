// Builds the elements for other pages into `dist/embed/`: a module of its own, with its style sheet inside.

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { type Plugin, defineConfig } from 'vite';

import { brotli } from './vite.brotli.ts';
import { hls } from './vite.hls.ts';

/** The page's root is the elements' ground, and what is a token there is a property of the page around here. */
function asGround(css: string): string {
  const grounded = css
    .replaceAll(':root', '.ground')
    .replaceAll(/^(\s*)--([a-z0-9-]+):\s*([^;]+);/gm, '$1--$2: var(--fanwave-$2, $3);');
  if (grounded === css || !grounded.includes('--fanwave-coral')) throw new Error('app.css has no tokens: the elements would have no colours');
  return grounded;
}

const ground: Plugin = {
  name: 'fanwave-ground',
  enforce: 'pre',
  transform(code, id) {
    return /\/(app|embed)\.css$/.test(id) ? asGround(code) : null;
  },
};

/** A page whose policy allows no styles but its own takes a constructed sheet, and no `<style>`. */
const inside: Plugin = {
  name: 'fanwave-styles-inside',
  enforce: 'post',
  generateBundle(_, bundle) {
    const sheets = Object.values(bundle).filter((file) => file.type === 'asset' && file.fileName.endsWith('.css'));
    const css = sheets.map((file) => (file.type === 'asset' ? String(file.source) : '')).join('');
    if (css === '') throw new Error('there is no style sheet');
    for (const { fileName } of sheets) delete bundle[fileName];
    let places = 0;
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk') continue;
      chunk.code = chunk.code.replaceAll(/(["'`])__FANWAVE_CSS__\1/g, () => {
        places += 1;
        return JSON.stringify(css);
      });
    }
    if (places !== 1) throw new Error(`the style sheet has ${places} places`);
  },
};

export default defineConfig({
  plugins: [ground, svelte(), hls.plugin, inside, brotli],
  define: hls.define,
  resolve: { alias: hls.alias },
  base: './',
  publicDir: false,
  build: {
    outDir: 'dist/embed',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: false,
    rolldownOptions: {
      input: { fanwave: 'src/embed/fanwave.ts', frame: 'src/embed/frame.ts' },
      preserveEntrySignatures: 'strict',
      output: { entryFileNames: '[name].js', chunkFileNames: 'assets/[name]-[hash].js' },
    },
    chunkSizeWarningLimit: 2_000,
  },
});
