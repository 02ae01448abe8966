// Builds the field app's screens. In mode `fake` sample data stands in for the app; a build for shipping never holds it.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src ipc: http://ipc.localhost; object-src 'none'; base-uri 'none'; frame-src 'none'";

export default defineConfig(({ mode }) => ({
  plugins: [svelte()],
  resolve: {
    alias: mode === "fake" ? [{ find: "@daftar/shared/ipc.ts", replacement: new URL("../shared/ipc.fake.ts", import.meta.url).pathname }] : [],
  },
  build: {
    target: "safari16",
    // The web view's policy allows no inline code and no data: for scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    emptyOutDir: true,
    chunkSizeWarningLimit: 800,
  },
  preview: { headers: { "Content-Security-Policy": CSP } },
}));
