// The real window under Xvfb, by WebDriver: the main job of an officer, all the way to the console in a real browser.
import { join } from "node:path";
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { PASSWORD, PIN, ROOT, Stage, Tally, binary, freePort, sleep, until } from "./stage.mjs";
import { Driver } from "./webdriver.mjs";

const stage = new Stage();
const tally = new Tally();
/** Screenshots go here when somebody wants to look at them. */
const SHOTS = process.env.DAFTAR_SHOTS;
const PLATE = "01 Z 808 QA";
const LATER_PLATE = "80 Y 505 XB";
const SYNCED_PLATE = "40 K 717 LM";

let driver;
let display;
const home = {};

async function shot(name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  // A frame that is still being drawn is waited for.
  await sleep(500);
  await driver.screenshot(join(SHOTS, `${name}.png`));
}

async function openWindow() {
  const port = await freePort();
  const child = stage.start("WebKitWebDriver", [`--port=${port}`], {
    env: { ...process.env, DISPLAY: display, TAURI_WEBVIEW_AUTOMATION: "true" },
  });
  driver = new Driver(port);
  await driver.ready();
  await driver.open(binary("daftar-app"), ["--home", home.path]);
  driver.child = child;
}

/** The process of the window, by the home that it was given. */
async function windowPid() {
  const { readdirSync, readFileSync } = await import("node:fs");
  for (const pid of readdirSync("/proc").filter((p) => /^\d+$/.test(p))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (line.includes("daftar-app") && line.includes(home.path)) return Number(pid);
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined;
}

async function killWindow() {
  process.kill(await windowPid(), "SIGKILL");
  await until("the window is gone", async () => (await windowPid()) === undefined);
  await driver.close();
  await stage.end(driver.child);
}

async function unlock() {
  await until("the unlock screen", async () => (await driver.find("unlock-pin"))[0] ?? (await driver.find("unlock-officer"))[0]);
  if ((await driver.find("unlock-pin")).length === 0) await driver.click("unlock-officer");
  await driver.type("unlock-pin", PIN);
  await driver.click("unlock-submit");
  await driver.one("home-quick-stop", 15_000);
}

async function setLook(language, theme) {
  await driver.click("nav-settings");
  await driver.one(`lang-${language}`);
  await driver.click(`lang-${language}`);
  await driver.click(`theme-${theme}`);
  await until("the look", async () => (await driver.run("return document.documentElement.lang + ' ' + document.documentElement.dataset.theme")) === `${language} ${theme}`);
  await driver.click("nav-shift");
  await driver.one("home-quick-stop");
}

try {
  const server = await stage.server();
  let serving = await server.listen();
  stage.officer(server, "karimov", ["--agency", "moi", "--team", "imt-1", "--full-name", "Karimov Aziz"]);
  stage.officer(server, "ergashev", ["--agency", "moi", "--team", "imt-1", "--full-name", "Ergashev Bobur"]);
  stage.officer(server, "rahimova", ["--agency", "moi", "--role", "analyst", "--full-name", "Rahimova Nigora", "--password-stdin"]);
  home.path = stage.device(server, "tablet", "karimov", true);
  const other = stage.device(server, "laptop", "ergashev", true);
  stage.daftar(home.path, "import", join(ROOT, "tests", "demo", "sample.ndjson"));
  // The two devices write the same field of one record, each without knowing of the other.
  stage.daftar(home.path, "sync");
  stage.daftar(other, "sync");
  const [disputed] = stage.daftar(other, "search", "Yusupov");
  stage.daftar(other, "amend", disputed.id, "vehicle.colour=green");
  stage.daftar(other, "sync");
  stage.daftar(home.path, "amend", disputed.id, "vehicle.colour=grey");
  display = await stage.display();
  await stage.end(serving);

  await tally.try("the window opens and an officer unlocks it", async () => {
    await openWindow();
    await unlock();
    await shot("home");
  });

  await tally.try("a quick stop is saved with no link", async () => {
    await driver.click("home-quick-stop");
    await driver.type("plate-input", PLATE);
    await driver.click("vehicle-kind-truck");
    await driver.click("direction-border_inbound");
    await driver.one("draft-state");
    await shot("quick-stop");
    await driver.click("quick-save");
    await driver.one("saved-toast");
    await driver.one("home-quick-stop");
    await shot("saved");
    const strip = await driver.text("sync-strip");
    if (!/\d/.test(strip)) throw new Error(`the strip says how much waits, not: ${strip}`);
  });

  await tally.try("a window killed in mid-form comes back with the draft", async () => {
    await driver.click("home-quick-stop");
    await driver.type("plate-input", LATER_PLATE);
    await until("the draft is on the disk", async () => (await driver.text("draft-state")).match(/\d\d:\d\d/));
    await killWindow();
    await openWindow();
    await unlock();
    await shot("draft");
    await driver.click("draft-resume");
    const plate = await until("the plate", async () => driver.run(`return document.querySelector('[data-testid="plate-input"]').value`));
    if (plate !== LATER_PLATE) throw new Error(`the draft has ${plate}`);
    await driver.click("vehicle-kind-car");
    await driver.click("direction-domestic");
    await driver.click("quick-save");
    await driver.one("saved-toast");
    await driver.one("home-quick-stop");
  });

  await tally.try("Юсупов finds Yusupov, and a plate its stop", async () => {
    await driver.click("nav-records");
    await driver.type("search-input", "Юсупов");
    await until("a record of Yusupov", async () => /Yusupov/.test((await driver.run(`return [...document.querySelectorAll('[data-testid="record-row"]')].map((r) => r.textContent).join(" ")`)) ?? ""));
    await shot("search");
    await driver.click("search-clear");
    await driver.type("search-input", PLATE.replaceAll(" ", "").toLowerCase());
    await until("the stop", async () => (await driver.find("record-row")).length === 1);
    await driver.click("record-row");
    await driver.one("history-entry");
    await shot("record");
  });

  const atHq = () => {
    const status = JSON.parse(stage.run("daftar-server", ["status", "--data", server.data, "--json"]));
    return Object.entries(status.compartments).reduce((n, [name, c]) => n + (name === "reference" ? 0 : c.records), 0);
  };
  /** The two operations that headquarters wrote itself. */
  const OWN_RECORDS = 2;

  await tally.try("when the server is back, all goes there by itself, and the strip says so", async () => {
    serving = await server.listen();
    // Nobody touches anything: the waits between tries are under a minute.
    await until("headquarters has everything", () => atHq() === 96 + 2 + OWN_RECORDS, 75_000);
    await until("nothing waits", async () => (await driver.run(`return document.querySelector('[data-testid="sync-strip"]').dataset.waiting`)) === "0");
    await shot("synced");
  });

  await tally.try("with a link a save is at headquarters seconds later, and on the other device", async () => {
    await driver.click("nav-shift");
    await driver.click("home-quick-stop");
    await driver.type("plate-input", SYNCED_PLATE);
    await driver.click("vehicle-kind-van");
    await driver.click("direction-border_outbound");
    await driver.click("quick-save");
    await driver.one("home-quick-stop");
    await until("the stop is at headquarters", () => atHq() === 96 + 3 + OWN_RECORDS, 30_000);
    stage.daftar(other, "sync");
    for (const plate of [PLATE, LATER_PLATE, SYNCED_PLATE]) {
      const found = stage.daftar(other, "search", plate);
      if (found.length !== 1 || found[0].data.vehicle.plate !== plate) throw new Error(`the other device has ${JSON.stringify(found)}`);
    }
    await driver.click("nav-sync");
    await driver.click("sync-now");
    await until("the sync is over", async () => (await driver.find("sync-trouble")).length === 0);
  });

  await tally.try("two values for one field stand side by side until the officer decides, and the other device hears it", async () => {
    await driver.click("nav-records");
    await driver.click("search-clear");
    await driver.type("search-input", disputed.data.vehicle.plate);
    await until("the record", async () => (await driver.find("record-row")).length === 1);
    await driver.click("record-row");
    await until("both values", async () => (await driver.find("conflict-version")).length === 2);
    const histories = await driver.run(`return [...document.querySelectorAll('[data-testid="history-entry"]')].map((e) => e.textContent)`);
    if (histories.some((h) => h.includes("Kulrang") && h.includes("Yashil"))) throw new Error(`neither officer saw the other's value before his own: ${histories.join(" / ")}`);
    await shot("conflict");
    await driver.click("conflict-version");
    await driver.click("conflict-save");
    await until("no conflict", async () => (await driver.find("conflicts")).length === 0);
    const decided = await until("the decision on the other device", () => {
      stage.daftar(other, "sync");
      const shown = stage.daftar(other, "show", disputed.id);
      return shown.history.some((h) => h.op === "resolve") && shown;
    });
    if (Object.keys(decided.conflicts).length > 0) throw new Error(`still in conflict: ${JSON.stringify(decided.conflicts)}`);
    if (!["green", "grey"].includes(decided.data.vehicle.colour)) throw new Error(`decided for ${decided.data.vehicle.colour}`);
    await driver.click("back");
  });

  await tally.try("four languages and both themes fit the window", async () => {
    for (const language of ["uz-Latn", "ru", "en", "uz-Cyrl"]) {
      for (const theme of ["night", "day"]) {
        await setLook(language, theme);
        const wide = await driver.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
        if (wide > 0) throw new Error(`${language} ${theme} is ${wide} px too wide`);
        await shot(`home-${theme}-${language.toLowerCase()}`);
        await driver.click("home-quick-stop");
        await driver.one("plate-input");
        await shot(`quick-stop-${theme}-${language.toLowerCase()}`);
        await driver.click("back");
        await driver.click("nav-records");
        await driver.one("record-row");
        await shot(`records-${theme}-${language.toLowerCase()}`);
      }
    }
  });

  await tally.try("what was typed in the window is seen in the console", async () => {
    const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
    try {
      const page = await (await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 } })).newPage();
      await page.goto(`https://127.0.0.1:${server.consolePort}/`);
      await page.getByTestId("login-name").fill("rahimova");
      await page.getByTestId("login-password").fill(PASSWORD);
      await page.getByTestId("login-submit").click();
      await page.getByTestId("search-input").fill(PLATE);
      await page.getByTestId("record-row").first().click();
      await page.getByTestId("history-entry").first().waitFor();
      const text = await page.textContent("body");
      if (!text.includes(PLATE) || !text.includes("Karimov")) throw new Error("the console shows another record");
      if (SHOTS) await page.screenshot({ path: join(SHOTS, "console-record.png") });
    } finally {
      await browser.close();
    }
  });
} finally {
  await driver?.close();
  // A driver that ends does not always end the window that it opened.
  const left = home.path && (await windowPid());
  if (left) process.kill(left, "SIGKILL");
  await stage.clear();
  tally.close();
}
