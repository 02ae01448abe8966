// Builds the console's page. Its policy allows no inline code, style or data: of our own.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, emptyOutDir: true, chunkSizeWarningLimit: 800 },
  test: { include: ["tests/**/*.test.ts"] },
});
