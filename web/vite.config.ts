// Builds all pages but the watch page into `dist/`, which the server embeds; `npm run dev` serves every one against a running server.

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

import { brotli } from './vite.brotli.ts';
import { hls } from './vite.hls.ts';

const server = process.env['FANWAVE_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte(), hls.plugin, brotli],
  define: hls.define,
  resolve: { alias: hls.alias },
  build: {
    target: 'es2022',
    // Nothing may be inlined as data: the page runs under a policy that allows its own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ['docs.html', 'overlay.html', 'studio.html'] },
    // Swagger UI alone is larger than the default warning; it is a chunk of its own.
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
