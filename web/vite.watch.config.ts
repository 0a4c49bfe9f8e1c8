/**
 * Builds the watch page into `dist/`, beside the others and apart from them: what it has in common with them it carries itself, so that a phone
 * far out loads two scripts and a style sheet, and not a dozen of each.
 */

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { type Plugin, defineConfig } from 'vite';

import { brotli } from './vite.brotli.ts';
import { hls } from './vite.hls.ts';

/**
 * The page begins with a script of three kilobytes that asks the server; what it goes on with is named in the page, so that the browser
 * fetches it meanwhile, and hls.js after it: a narrow network carries one thing after the other, and the chat is the smaller one.
 */
const ahead: Plugin = {
  name: 'fanwave-ahead',
  transformIndexHtml: {
    order: 'post',
    handler(_html, { bundle, chunk }) {
      if (bundle === undefined || chunk === undefined) return;
      const app = chunk.dynamicImports[0] ?? '';
      const chunkOf = (name: string) => {
        const found = bundle[name];
        if (found?.type !== 'chunk') throw new Error(`the watch page has no script ${name}: see src/main.ts`);
        return found;
      };
      const needed = [app, ...chunkOf(app).imports.filter((name) => name !== chunk.fileName)];
      const sheets = new Set(needed.flatMap((name) => [...(chunkOf(name).viteMetadata?.importedCss ?? [])]));
      const asked = needed.flatMap((name) => chunkOf(name).dynamicImports);
      // What tells how the picture plays is fetched when there is one, and not by every page.
      const isReport = (name: string) => chunkOf(name).facadeModuleId?.endsWith('/quality/index.js') === true;
      const player = asked.filter((name) => !isReport(name)).flatMap((name) => [name, ...chunkOf(name).imports]);
      const after = [...new Set(player)].filter((name) => !needed.includes(name) && name !== chunk.fileName);
      const tag = (attrs: Record<string, string>) => ({ tag: 'link', attrs: { crossorigin: true, ...attrs }, injectTo: 'head' as const });
      return [
        ...needed.map((name) => tag({ rel: 'modulepreload', href: `/${name}` })),
        ...[...sheets].map((name) => tag({ rel: 'stylesheet', href: `/${name}` })),
        // Not before the rest is there: src/lib/ahead.ts sees to that.
        ...after.map((name) => tag({ rel: 'after', href: `/${name}` })),
      ];
    },
  },
};

export default defineConfig({
  plugins: [svelte(), hls.plugin, ahead, brotli],
  define: hls.define,
  resolve: { alias: hls.alias },
  publicDir: false,
  build: {
    target: 'es2022',
    emptyOutDir: false,
    // Nothing may be inlined as data: the page runs under a policy that allows its own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: 'index.html' },
    chunkSizeWarningLimit: 2_000,
  },
});
