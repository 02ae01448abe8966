// Photographs every screen with sample data: `npm run shots [-- out-folder [language,…]]`. Fails on a console error or a clipped word.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { preview } from "vite";

const out = process.argv[2] ?? "shots";
const languages = (process.argv[3] ?? "uz-Latn,uz-Cyrl,ru,en").split(",");
const themes = (process.argv[4] ?? "day,night").split(",");
const SIZES = { wide: { width: 1280, height: 800 }, tall: { width: 800, height: 1280 } };
mkdirSync(out, { recursive: true });

const PHOTO = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

const server = await preview({ root: import.meta.dirname, mode: "fake", build: { outDir: "dist-fake" }, preview: { port: 4319, strictPort: true } });
const base = "http://localhost:4319/";
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
const problems = [];

/** What is wider than its box, and not meant to be cut with dots. */
function clipped() {
  const found = [];
  for (const el of document.querySelectorAll("button, a, p, h1, h2, h3, span, strong, label, dt, dd, input, select")) {
    const style = getComputedStyle(el);
    if (el.closest(".unseen, .pill, .unknowable, .turning") || el.classList.contains("icon") || style.textOverflow === "ellipsis" || style.display === "inline" || el.clientWidth === 0) continue;
    if (el.scrollWidth > el.clientWidth + 1) found.push(`${el.tagName.toLowerCase()}.${el.className} "${(el.textContent ?? "").trim().slice(0, 50)}" ${el.scrollWidth}>${el.clientWidth}`);
  }
  const doc = document.documentElement;
  if (doc.scrollWidth > doc.clientWidth) found.push(`page ${doc.scrollWidth}>${doc.clientWidth}`);
  // The screens scroll within; a page that is longer than the window would carry the head away.
  if (doc.scrollHeight > doc.clientHeight) found.push(`page ${doc.scrollHeight}>${doc.clientHeight} high`);
  return found;
}

const tap = (id) => (page) => page.getByTestId(id).first().click();
const steps = {
  unlock: { query: "", do: [] },
  pin: { query: "", do: [tap("unlock-officer"), (p) => p.getByTestId("unlock-pin").fill("0000"), tap("unlock-submit"), (p) => p.waitForTimeout(150), (p) => p.getByTestId("unlock-pin").fill("0000"), tap("unlock-submit")] },
  empty: { query: "empty", do: [] },
  enrol: { query: "empty", do: [tap("enrol-open")] },
  shift: { query: "unlocked&drafts", do: [] },
  "shift-empty": { query: "unlocked&empty", do: [] },
  crew: { query: "unlocked", do: [tap("shift-change")] },
  quick: { query: "unlocked", do: [tap("home-quick-stop"), (p) => p.getByTestId("plate-input").fill("70"), tap("vehicle-kind-car"), tap("direction-border_inbound")] },
  "quick-met": { query: "unlocked", do: [tap("home-quick-stop"), (p) => p.getByTestId("plate-input").fill("75b706"), tap("vehicle-kind-truck")] },
  selection: { query: "unlocked", do: [tap("home-inspection"), tap("direction-border_transit"), tap("reason-behaviour")] },
  risk: { query: "unlocked", do: [tap("home-inspection"), tap("section-risk"), tap("risk-spare_tyre_heavy-seen"), tap("risk-nervous_driver-seen"), tap("risk-panel_gap-seen"), tap("risk-new_owner-not_seen")] },
  persons: { query: "unlocked", do: [tap("home-inspection"), tap("section-persons"), tap("person-add"), (p) => p.getByTestId("person-family-name").fill("Ғуломов"), tap("document-add")] },
  search: { query: "unlocked", do: [tap("home-inspection"), tap("section-search"), tap("level-partial"), tap("zone-boot"), tap("zone-fuel_tank"), tap("method-dog")] },
  vehicle: { query: "unlocked", do: [tap("home-inspection"), tap("section-vehicle"), (p) => p.getByTestId("plate-input").fill("01a777bc"), tap("vehicle-kind-tractor_semitrailer"), tap("colour-white")] },
  cargo: { query: "unlocked", do: [tap("home-inspection"), tap("section-cargo"), tap("cargo-add")] },
  result: { query: "unlocked", do: [tap("home-inspection"), tap("section-result"), tap("result-irregularity"), (p) => p.getByTestId("remarks").fill("Ўнг эшик панели қисман очилди, Қўқон йўналиши."), (p) => p.waitForTimeout(400)] },
  note: { query: "unlocked", do: [tap("home-note"), (p) => p.getByTestId("observation-text").fill("Оқ Nexia соат 3:40 да Бойсун томондан келди."), tap("subject-add"), tap("handling-H2")] },
  discard: { query: "unlocked&drafts", do: [tap("draft-discard")] },
  records: { query: "unlocked", do: [tap("nav-records")] },
  "records-none": { query: "unlocked", do: [tap("nav-records"), (p) => p.getByTestId("search-input").fill("xyz-404")] },
  record: { query: "unlocked", do: [tap("nav-records"), (p) => p.getByTestId("kind-inspection").click(), (p) => p.waitForTimeout(150), (p) => p.locator('[data-testid="record-row"]').nth(2).click()] },
  "record-find": { query: "unlocked", do: [tap("nav-records"), tap("kind-seizure"), (p) => p.waitForTimeout(150), tap("record-row")] },
  conflict: { query: "unlocked", do: [tap("nav-records"), (p) => p.waitForTimeout(100), (p) => p.locator('[data-testid="record-row"]:has([data-state="needs_decision"])').first().click()] },
  "conflict-other": { query: "unlocked", do: [tap("nav-records"), (p) => p.waitForTimeout(100), (p) => p.locator('[data-testid="record-row"]:has([data-state="needs_decision"])').first().click(), tap("conflict-version"), (p) => p.getByTestId("conflict-other").nth(1).click(), (p) => p.getByTestId("other-value").fill("01a777bc"), (p) => p.getByTestId("conflict-reason").fill("Hujjatga qaraldi")] },
  "conflict-confirm": { query: "unlocked", do: [tap("nav-records"), (p) => p.waitForTimeout(100), (p) => p.locator('[data-testid="record-row"]:has([data-state="needs_decision"])').first().click(), tap("conflict-version"), (p) => p.getByTestId("conflict-version").nth(3).click(), tap("conflict-save")] },
  flags: { query: "unlocked&flags", do: [tap("nav-records"), (p) => p.getByTestId("kind-inspection").click(), (p) => p.waitForTimeout(150), (p) => p.locator('[data-testid="record-row"]').nth(2).click()] },
  photos: { query: "unlocked", do: [tap("nav-records"), tap("kind-seizure"), (p) => p.waitForTimeout(150), tap("record-row"), (p) => p.getByTestId("record-files").scrollIntoViewIfNeeded(), (p) => p.getByTestId("photo").last().scrollIntoViewIfNeeded()] },
  "photo-view": { query: "unlocked", do: [tap("nav-records"), tap("kind-seizure"), (p) => p.waitForTimeout(150), tap("record-row"), (p) => p.getByTestId("photo-open").nth(3).click()] },
  "photos-draft": { query: "unlocked", do: [tap("home-inspection"), tap("section-result"), (p) => p.getByTestId("photo-input").setInputFiles([{ name: "IMG_0412.png", mimeType: "image/png", buffer: PHOTO }]), (p) => p.getByTestId("photo").scrollIntoViewIfNeeded()] },
  void: { query: "unlocked", do: [tap("nav-records"), (p) => p.getByTestId("kind-inspection").click(), (p) => p.waitForTimeout(150), (p) => p.locator('[data-testid="record-row"]').nth(2).click(), tap("record-void")] },
  admit: { query: "unlocked", do: [tap("nav-settings"), tap("admit-open"), (p) => p.getByTestId("admit-name").fill("Ғуломова Нигора"), (p) => p.getByTestId("admit-code").fill("IMT-3-SCC-4"), tap("admit-agency-moi")] },
  "admit-done": { query: "unlocked", do: [tap("nav-settings"), tap("admit-open"), (p) => p.getByTestId("admit-name").fill("Ғуломова Нигора"), (p) => p.getByTestId("admit-code").fill("IMT-3-SCC-4"), tap("admit-agency-moi"), (p) => p.getByTestId("admit-pin").fill("12345678"), (p) => p.getByTestId("admit-pin-again").fill("12345678"), tap("admit-submit"), (p) => p.getByTestId("admit-done").waitFor()] },
  sync: { query: "unlocked", do: [tap("nav-sync")] },
  "sync-closed": { query: "unlocked&closed", do: [tap("nav-sync")] },
  "sync-pack": { query: "unlocked&closed", do: [tap("nav-sync"), tap("pack-read"), (p) => p.getByTestId("pack-result").scrollIntoViewIfNeeded()] },
  "sync-pack-written": { query: "unlocked", do: [tap("nav-sync"), tap("pack-write"), (p) => p.getByTestId("pack-result").scrollIntoViewIfNeeded()] },
  "sync-run": { query: "unlocked", do: [tap("nav-sync"), tap("sync-now"), (p) => p.waitForTimeout(500)] },
  settings: { query: "unlocked", do: [tap("nav-settings")] },
};
const only = process.argv[5]?.split(",");

for (const [sizeName, viewport] of Object.entries(SIZES)) {
  for (const theme of themes) {
    for (const language of languages) {
      const context = await browser.newContext({ viewport, locale: "ru-RU", timezoneId: "Asia/Tashkent" });
      for (const [name, step] of Object.entries(steps)) {
        if (only && !only.includes(name)) continue;
        const page = await context.newPage();
        const where = `${name} ${language} ${theme} ${sizeName}`;
        page.on("console", (m) => ["error", "warning"].includes(m.type()) && problems.push(`${where}: ${m.text()}`));
        page.on("pageerror", (e) => problems.push(`${where}: ${e.message}`));
        await page.addInitScript(() => sessionStorage.clear());
        await page.goto(`${base}?language=${language}&theme=${theme}&${step.query}`);
        await page.waitForSelector("h1, h2, .empty");
        await page.waitForTimeout(120);
        try {
          for (const act of step.do) await act(page);
        } catch (cause) {
          problems.push(`${where}: ${String(cause).split("\n")[0]}`);
        }
        await page.waitForTimeout(350);
        for (const c of await page.evaluate(clipped)) problems.push(`${where}: clipped ${c}`);
        await page.screenshot({ path: join(out, `${name}.${language}.${theme}.${sizeName}.png`) });
        await page.close();
      }
      await context.close();
    }
  }
}
await browser.close();
await server.close();
if (problems.length > 0) {
  console.error([...new Set(problems)].join("\n"));
  process.exitCode = 1;
}
