import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // Nothing may be inlined as data, and no script may be: the page runs under a policy of its own (server.mjs).
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
