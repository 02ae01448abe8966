// Draws the app's icons from icon.svg with the installed Chromium. Run by hand after the drawing changes: node src-tauri/icons/make.js
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const svg = readFileSync(here("icon.svg"), "utf8");
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu"] });
for (const [name, size] of [["32x32.png", 32], ["128x128.png", 128], ["icon.png", 512]]) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>body{margin:0}svg{width:${size}px;height:${size}px;display:block}</style>${svg}`);
  writeFileSync(here(name), await page.screenshot({ omitBackground: true }));
  await page.close();
}
await browser.close();
