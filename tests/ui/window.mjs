// The real window under Xvfb, by WebDriver: the main job of an officer, all the way to the console in a real browser.
import { join } from "node:path";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { chromium } from "playwright-core";
import { PASSWORD, PIN, ROOT, Stage, Tally, binary, freePort, sleep, until } from "./stage.mjs";
import { Driver } from "./webdriver.mjs";

const stage = new Stage();
const tally = new Tally(async () => `${await driver.run("return document.body.innerText")}\n${driver.child.log.slice(-3000)}`);
/** Screenshots go here when somebody wants to look at them. */
const SHOTS = process.env.DAFTAR_SHOTS;
const PLATE = "01 Z 808 QA";
const LATER_PLATE = "80 Y 505 XB";
const SYNCED_PLATE = "40 K 717 LM";
const DRAFT_PLATE = "50 D 222 FT";
const PACK_PLATE = "60 P 333 CK";
const NEW_PIN = "91827364";
/** What the test says to the app in place of the platform's dialog. */
const chosen = {};

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
    env: { ...process.env, DISPLAY: display, TAURI_WEBVIEW_AUTOMATION: "true", DAFTAR_TEST_DIALOG: chosen.path },
  });
  driver = new Driver(port);
  await driver.ready();
  await driver.open(binary("daftar-app"), ["--home", home.path]);
  driver.child = child;
}

/** The process of the window, by the home that it was given. */
async function windowPid() {
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

async function unlock(who = "Karimov", pin = PIN) {
  await until("the unlock screen", async () => (await driver.find("unlock-pin"))[0] ?? (await driver.find("unlock-officer"))[0]);
  if ((await driver.find("unlock-pin")).length === 0) {
    await driver.run(`[...document.querySelectorAll('[data-testid="unlock-officer"]')].find((b) => b.textContent.includes(arguments[0])).click()`, who);
  }
  await driver.type("unlock-pin", pin);
  await driver.click("unlock-submit");
  await driver.one("home-quick-stop", 15_000);
}

/** Locks, and waits until no file of the notebook is open any more: SQLite takes a write-ahead log away with the last who has it open. */
async function lock() {
  await driver.click("lock");
  await until("the unlock screen", async () => (await driver.find("unlock-pin"))[0] ?? (await driver.find("unlock-officer"))[0]);
  await until("the files are closed", () => !["vault", "officer"].some((room) => readdirSync(join(home.path, room)).some((f) => f.endsWith("-wal"))), 5_000);
}

/** A picture of so many pixels with noise in it, drawn by the web view itself: a JPEG as a camera would give one. */
async function photo(name, side) {
  const base64 = await driver.run(
    `const [side] = arguments; const canvas = document.createElement("canvas"); canvas.width = side; canvas.height = side * 3 / 4;
     const c = canvas.getContext("2d"); const sky = c.createLinearGradient(0, 0, 0, side);
     sky.addColorStop(0, "#8fb3c4"); sky.addColorStop(1, "#c9b79c"); c.fillStyle = sky; c.fillRect(0, 0, side, side);
     c.fillStyle = "#7a1f1f"; c.fillRect(side * 0.2, side * 0.25, side * 0.55, side * 0.3);
     c.fillStyle = "#20262b"; for (const x of [0.32, 0.62]) { c.beginPath(); c.arc(side * x, side * 0.56, side * 0.06, 0, 7); c.fill(); }
     for (let n = 0; n < side * 4; n++) { c.fillStyle = "rgb(" + [n % 255, (n * 7) % 255, (n * 13) % 255] + ")"; c.fillRect((n * 7919) % side, (n * 104729) % (side * 3 / 4), 3, 3); }
     return canvas.toDataURL("image/jpeg", 0.92).split(",")[1];`,
    side,
  );
  const path = join(stage.folder, name);
  writeFileSync(path, Buffer.from(base64, "base64"));
  return path;
}

/** Opens the one record that a search for these words finds, and that shows this. */
async function openRecord(words, shows = words) {
  await driver.click("nav-records");
  if ((await driver.find("search-clear")).length > 0) await driver.click("search-clear");
  await driver.type("search-input", words);
  await until("the record", () => driver.run(`const rows = [...document.querySelectorAll('[data-testid="record-row"]')]; return rows.length === 1 && rows[0].textContent.includes(arguments[0])`, shows));
  await driver.click("record-row");
  await driver.one("history-entry");
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
  stage.officer(server, "karimov", ["--agency", "moi", "--team", "imt-1", "--role", "leader", "--full-name", "Karimov Aziz"]);
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
  chosen.path = join(stage.folder, "chosen.pdf");
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
    // On a busy machine letters come one by one; kept is what is still kept a while later.
    const kept = () => driver.run(`return document.querySelector('[data-testid="draft-state"]').dataset.phase === "kept"`);
    await until("the draft is on the disk", async () => (await kept()) && (await sleep(1500), await kept()));
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
    await openRecord(PLATE.replaceAll(" ", "").toLowerCase(), PLATE);
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
    // Neither was right: a third value, and why.
    await driver.click("conflict-other");
    await driver.one("other-value");
    await driver.run(`const s = document.querySelector('[data-testid="other-value"]'); s.value = "white"; s.dispatchEvent(new Event("change", { bubbles: true }))`);
    await driver.type("conflict-reason", "Hujjatda oq");
    await shot("conflict-other");
    await driver.click("conflict-save");
    await driver.click("conflict-yes");
    await until("no conflict", async () => (await driver.find("conflicts")).length === 0);
    const decided = await until("the decision on the other device", () => {
      stage.daftar(other, "sync");
      const shown = stage.daftar(other, "show", disputed.id);
      return shown.history.some((h) => h.op === "resolve") && shown;
    });
    if (Object.keys(decided.conflicts).length > 0) throw new Error(`still in conflict: ${JSON.stringify(decided.conflicts)}`);
    if (decided.data.vehicle.colour !== "white") throw new Error(`decided for ${decided.data.vehicle.colour}`);
    const why = decided.history.find((h) => h.op === "resolve").reason;
    if (why !== "Hujjatda oq") throw new Error(`the decision's reason is ${why}`);
    await driver.click("back");
  });

  await tally.try("a photo of a saved record is kept, shown, and told apart: here, at headquarters, on the other device", async () => {
    await openRecord(PLATE);
    await driver.one("record-files");
    await driver.type("photo-input", await photo("IMG_0412.jpg", 1600));
    await until("its tile", async () => (await driver.find("photo")).length === 1);
    await until("its small picture", () => driver.run(`return (document.querySelector('[data-testid="photo-small"]')?.naturalWidth ?? 0) > 0`));
    await driver.run(`document.querySelector('[data-testid="record-files"]').scrollIntoView({ block: "center" })`);
    await shot("photo");
    await driver.click("photo-open");
    const wide = await until("the whole picture", () => driver.run(`return document.querySelector('[data-testid="photo-whole"]')?.naturalWidth`));
    if (wide !== 1600) throw new Error(`the whole picture is ${wide} px wide`);
    const box = await driver.run(`const r = document.querySelector('[data-testid="photo-whole"]').getBoundingClientRect(); return [r.left, r.top, innerWidth - r.right, innerHeight - r.bottom, r.width - 300, r.height - 200]`);
    if (box.some((side) => side < 0)) throw new Error(`the picture does not lie in the window, or is too small: ${box}`);
    await shot("photo-view");
    await driver.key("\uE00C");
    await until("headquarters has it, and the screen says so", () => driver.run(`return document.querySelector('[data-testid="photo"]').dataset.atHq === "true"`), 60_000);
    const [record] = stage.daftar(other, "search", PLATE);
    stage.daftar(other, "sync");
    const [state] = stage.daftar(other, "files", record.id);
    if (!state?.at_hq || state.name !== "IMG_0412.jpg" || state.media_type !== "image/jpeg") throw new Error(`the other device says ${JSON.stringify(state)}`);
  });

  await tally.try("a file that the platform's dialog chose is attached, and one that is empty is refused in words", async () => {
    writeFileSync(chosen.path, "");
    await driver.click("file-pick");
    await driver.one("toast-error");
    writeFileSync(chosen.path, "%PDF-1.7 protocol of the stop");
    await driver.click("file-pick");
    await until("two files", async () => (await driver.find("photo")).length === 2);
    rmSync(chosen.path);
    await driver.click("back");
  });

  await tally.try("a photo taken while the form is open belongs to the record that is saved", async () => {
    await driver.click("nav-shift");
    await driver.click("home-inspection");
    await driver.click("direction-domestic");
    await driver.click("section-vehicle");
    await driver.type("plate-input", DRAFT_PLATE);
    await driver.click("vehicle-kind-car");
    await driver.click("section-result");
    await driver.click("result-irregularity");
    await driver.type("photo-input", await photo("IMG_0413.jpg", 800));
    await until("its tile", async () => (await driver.find("photo")).length === 1);
    await shot("photo-draft");
    await driver.click("inspection-save");
    await driver.one("home-quick-stop");
    await openRecord(DRAFT_PLATE);
    await until("the photo on the record's page", async () => (await driver.find("photo")).length === 1);
    await driver.click("back");
  });

  await tally.try("a record that is declared void with a reason leaves the lists, and is brought back", async () => {
    await openRecord(LATER_PLATE);
    await driver.click("record-void");
    await driver.type("void-reason", "Ikki marta yozilgan");
    await shot("void");
    await driver.click("void-save");
    await until("it says that it is void", async () => (await driver.run(`return document.querySelector('[data-testid="record"]').dataset.state`)) === "voided");
    await shot("voided");
    await driver.click("record-unvoid");
    await driver.type("void-reason", "Boshqa mashina ekan");
    await driver.click("void-save");
    await until("it is back", async () => (await driver.run(`return document.querySelector('[data-testid="record"]').dataset.state`)) !== "voided");
    const text = await driver.run(`return document.querySelector('[data-testid="record"]').textContent`);
    for (const why of ["Ikki marta yozilgan", "Boshqa mashina ekan"]) if (!text.includes(why)) throw new Error(`the history does not say: ${why}`);
    await driver.click("back");
  });

  await tally.try("an exchange with a server that says nothing is stopped by the officer, and nothing is lost", async () => {
    await stage.end(serving);
    const sockets = new Set();
    const silent = createServer((socket) => sockets.add(socket.on("error", () => {})));
    await new Promise((done) => silent.listen(server.port, "127.0.0.1", done));
    try {
      await driver.click("nav-sync");
      await driver.click("sync-now");
      await driver.click("sync-stop");
      await until("it has stopped", async () => (await driver.find("sync-stop")).length === 0, 5_000);
      await shot("sync-stopped");
      // Nor does one begin by itself: after a failure that is at most two seconds away.
      for (let n = 0; n < 30; n++) {
        if ((await driver.find("sync-stop")).length > 0) throw new Error("an exchange began by itself behind the stop");
        await sleep(100);
      }
      // A lock breaks one off as well: nothing goes on with the keys of an officer who has gone.
      await driver.click("sync-now");
      await driver.one("sync-stop");
      await lock();
      await unlock();
      await driver.click("nav-sync");
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => silent.close(done));
    }
    serving = await server.listen();
    await driver.click("sync-now");
    await until("the next one goes through", async () => (await driver.run(`return document.querySelector('[data-testid="sync-strip"]').dataset.waiting`)) === "0", 60_000);
  });

  await tally.try("with no link a pack carries the work to headquarters, and only the answer clears the queue", async () => {
    await stage.end(serving);
    await driver.click("nav-shift");
    await driver.click("home-quick-stop");
    await driver.type("plate-input", PACK_PLATE);
    await driver.click("vehicle-kind-bus");
    await driver.click("direction-domestic");
    await driver.click("quick-save");
    await driver.one("home-quick-stop");
    const waiting = () => driver.run(`return document.querySelector('[data-testid="sync-strip"]').dataset.waiting`);
    await until("one record waits", async () => (await waiting()) === "1");
    await driver.click("nav-sync");
    await driver.click("pack-write");
    await driver.one("pack-result");
    await shot("pack-written");
    if ((await waiting()) !== "1") throw new Error("a pack that was only written took work off the queue");
    const answer = join(stage.folder, "answer.pack");
    const taken = JSON.parse(stage.run("daftar-server", ["pack", "read", "--data", server.data, chosen.path, "--answer", answer, "--json"]));
    if (taken.taken < 1) throw new Error(`headquarters took ${JSON.stringify(taken)}`);
    copyFileSync(answer, chosen.path);
    await driver.click("pack-read");
    await until("headquarters' answer clears the queue", async () => (await waiting()) === "0");
    await driver.one("pack-result");
    await shot("pack-read");
    writeFileSync(chosen.path, "no pack at all");
    await driver.click("pack-read");
    await driver.one("pack-error");
    rmSync(chosen.path);
    serving = await server.listen();
  });

  await tally.try("a leader lets an officer in, who unlocks with the PIN that he chose, and no PIN stands in the log", async () => {
    await driver.click("nav-settings");
    await driver.click("admit-open");
    await driver.type("admit-name", "Nazarov Jasur");
    await driver.type("admit-code", "nazarov");
    await driver.click("admit-agency-moi");
    await driver.type("admit-pin", NEW_PIN);
    await driver.type("admit-pin-again", NEW_PIN);
    await shot("admit");
    await driver.click("admit-submit");
    await driver.one("admit-done");
    await shot("admit-done");
    await driver.click("admit-lock");
    await unlock("Nazarov", NEW_PIN);
    await driver.click("nav-records");
    await driver.one("record-row");
    if (driver.child.log.includes(NEW_PIN)) throw new Error("the new PIN stands in the log");
    await lock();
    await unlock("Karimov", PIN);
  });

  await tally.try("a damaged file is named on the sync screen, and one touch takes what it holds into a new one", async () => {
    await lock();
    // The largest is the team's.
    const vault = join(home.path, "vault");
    const files = readdirSync(vault).filter((f) => f.endsWith(".db")).map((f) => join(vault, f));
    const file = files.sort((a, b) => statSync(b).size - statSync(a).size)[0];
    const bytes = readFileSync(file);
    bytes[200] ^= 1;
    writeFileSync(file, bytes);
    await unlock("Karimov", PIN);
    await driver.click("nav-sync");
    await driver.one("sync-closed");
    await shot("sync-damaged");
    await driver.click("salvage");
    await driver.one("salvaged");
    await until("nothing is closed any more", async () => (await driver.find("sync-closed")).length === 0);
    await driver.click("nav-records");
    await driver.one("record-row");
    const kept = readdirSync(join(home.path, "damaged"));
    if (kept.length !== 1 || !readFileSync(join(home.path, "damaged", kept[0])).equals(bytes)) throw new Error("the damaged file was not kept as it was");
  });

  await tally.try("what headquarters takes back is said on every screen until the officer has seen it", async () => {
    stage.run("daftar-server", ["revoke", "--data", server.data, "--officer", "karimov", "--compartment", "operation/op-qorachiroq"]);
    await driver.click("nav-sync");
    await driver.click("sync-now");
    await driver.one("strip-taken");
    await shot("sync-taken");
    await driver.click("nav-records");
    await driver.one("strip-taken");
    await driver.click("nav-sync");
    await driver.click("taken-seen");
    await until("it is said no more", async () => (await driver.find("strip-taken")).length + (await driver.find("sync-closed")).length === 0);
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
