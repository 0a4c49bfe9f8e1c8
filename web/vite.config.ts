// Builds the pages into `dist/`, which the server embeds; `npm run dev` serves it against a running server.

import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

import { hls } from './vite.hls.ts';

const server = process.env['FANWAVE_URL'] ?? 'http://127.0.0.1:8080';

/**
 * The watch page begins with a script of two kilobytes that asks the server; what it goes on with is named in the page, so that the browser
 * fetches it meanwhile, and hls.js after it: a narrow network carries one thing after the other, and the chat is the smaller one.
 */
const ahead: Plugin = {
  name: 'fanwave-ahead',
  transformIndexHtml: {
    order: 'post',
    handler(_html, { bundle, chunk, filename }) {
      if (!filename.endsWith('/index.html') || bundle === undefined || chunk === undefined) return;
      const app = chunk.dynamicImports[0] ?? '';
      const chunkOf = (name: string) => {
        const found = bundle[name];
        if (found?.type !== 'chunk') throw new Error(`the watch page has no script ${name}: see src/main.ts`);
        return found;
      };
      const needed = [app, ...chunkOf(app).imports.filter((name) => name !== chunk.fileName)];
      const sheets = new Set(needed.flatMap((name) => [...(chunkOf(name).viteMetadata?.importedCss ?? [])]));
      const player = needed.flatMap((name) => chunkOf(name).dynamicImports).flatMap((name) => [name, ...chunkOf(name).imports]);
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
  plugins: [svelte(), ahead],
  define: hls.define,
  resolve: { alias: hls.alias },
  build: {
    target: 'es2022',
    // Nothing may be inlined as data: the page runs under a policy that allows its own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ['index.html', 'docs.html', 'overlay.html', 'studio.html'] },
    // hls.js and Swagger UI alone are larger than the default warning; each is a chunk of its own.
    chunkSizeWarningLimit: 2_000,
  },
  server: {
    proxy: {
      '/api': server,
      '/live/': server,
      '/connection': { target: server, ws: true },
      '/metrics': server,
    },
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
  },
});
