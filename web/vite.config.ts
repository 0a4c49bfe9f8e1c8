// Builds the page into `dist/`, which the server embeds; `npm run dev` serves it against a running server.

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const server = process.env['FANWAVE_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // Nothing may be inlined as data: the page runs under a policy that allows its own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // hls.js alone is larger than the default warning; it is a chunk of its own, loaded beside the page.
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: {
      '/api': server,
      '/live/': server,
      '/connection': { target: server, ws: true },
    },
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
  },
});
