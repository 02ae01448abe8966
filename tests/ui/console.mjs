// The console in a real browser: log-in, list, search, record, four languages, both themes; nothing that the policy forbids.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { PASSWORD, ROOT, Stage, Tally, until } from "./stage.mjs";

const stage = new Stage();
const tally = new Tally();
const SHOTS = process.env.DAFTAR_SHOTS;
let browser;

try {
  const server = await stage.server();
  await server.listen();
  stage.officer(server, "karimov", ["--agency", "moi", "--team", "imt-1", "--full-name", "Karimov Aziz"]);
  stage.officer(server, "rahimova", ["--agency", "moi", "--role", "analyst", "--full-name", "Rahimova Nigora", "--password-stdin"]);
  stage.officer(server, "saidov", ["--agency", "scc", "--role", "analyst", "--full-name", "Saidov Temur", "--password-stdin"]);
  stage.officer(server, "admin", ["--agency", "moi", "--role", "admin", "--full-name", "Admin", "--password-stdin"]);
  const home = stage.device(server, "tablet", "karimov", true);
  stage.daftar(home, "import", join(ROOT, "tests", "demo", "sample.ndjson"));
  const [first] = stage.daftar(home, "list", "inspection", "--limit", "1");
  stage.daftar(home, "amend", first.id, "vehicle.colour=green");
  stage.daftar(home, "sync");
  // Two officers correct what both saw, each without the other's word.
  stage.officer(server, "tosheva", ["--agency", "scc", "--team", "imt-1", "--full-name", "Tosheva Lola"]);
  const second = stage.device(server, "second", "tosheva", true);
  stage.daftar(second, "sync");
  const disputed = stage.daftar(home, "list", "inspection", "--limit", "3")[2];
  stage.daftar(home, "amend", disputed.id, "vehicle.model=Nexia 3");
  stage.daftar(second, "amend", disputed.id, "vehicle.model=Lacetti");
  for (const one of [home, second]) stage.daftar(one, "sync");
  const moiOnly = stage.daftar(home, "list", "surveillance_note").find((n) => n.compartment.startsWith("agency/moi/"));
  await until("the console has caught up", () => JSON.parse(stage.run("daftar-server", ["status", "--data", server.data, "--json"])).lag === 0);
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
  const base = `https://127.0.0.1:${server.consolePort}`;
  const complaints = [];

  const visit = async (name, password = PASSWORD) => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    page.on("console", (message) => {
      // Chromium itself says of an answer that is no success that it failed to load.
      if (message.type() === "error" && !/status of 40[134]/.test(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (cause) => complaints.push(String(cause)));
    await page.goto(base);
    await page.getByTestId("login-name").fill(name);
    await page.getByTestId("login-password").fill(password);
    await page.getByTestId("login-submit").click();
    return page;
  };
  /** What is wider than its box, and not meant to end in dots. */
  const clipped = () =>
    [...document.querySelectorAll("button, p, h1, h2, h3, span, strong, label, dt, dd, th, td, select")]
      .filter((el) => {
        const style = getComputedStyle(el);
        return style.textOverflow !== "ellipsis" && style.display !== "inline" && el.clientWidth > 0 && el.scrollWidth > el.clientWidth + 1;
      })
      .map((el) => `${el.tagName.toLowerCase()} "${(el.textContent ?? "").trim().slice(0, 40)}"`);
  const shot = async (page, name) => {
    if (!SHOTS) return;
    mkdirSync(SHOTS, { recursive: true });
    await page.screenshot({ path: join(SHOTS, `${name}.png`) });
  };
  let page;

  await tally.try("a wrong password is refused in words and opens nothing", async () => {
    const stranger = await visit("rahimova", "not the password");
    await stranger.getByTestId("failure").waitFor();
    await shot(stranger, "console-login");
    if ((await stranger.getByTestId("record-row").count()) > 0) throw new Error("records are shown");
    await stranger.close();
  });

  await tally.try("an analyst logs in and sees the records", async () => {
    page = await visit("rahimova");
    await page.getByTestId("record-row").nth(20).waitFor();
    const cookie = (await page.context().cookies()).find((c) => c.name === "__Host-daftar");
    if (!cookie?.secure || !cookie.httpOnly || cookie.sameSite !== "Strict") throw new Error(`the cookie is ${JSON.stringify(cookie)}`);
  });

  await tally.try("Юсупов finds Yusupov as it is typed", async () => {
    await page.keyboard.press("/");
    await page.keyboard.type("Юсупов");
    await until("Yusupov", async () => /Yusupov/.test((await page.getByTestId("record-row").first().textContent()) ?? ""));
    await page.getByTestId("search-input").fill("");
  });

  await tally.try("the list scrolls, pages on, and is gone through with the keyboard", async () => {
    await page.getByTestId("record-row").nth(20).waitFor();
    await page.mouse.move(600, 600);
    await page.mouse.wheel(0, 700);
    await until("it has scrolled", async () => (await page.evaluate(() => document.querySelector("main").scrollTop)) > 500);
    const before = await page.getByTestId("record-row").count();
    await page.getByTestId("records-more").click();
    await until("more rows", async () => (await page.getByTestId("record-row").count()) > before);
    await page.keyboard.press("/");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.getByTestId("record-title").waitFor();
    await page.keyboard.press("Escape");
    await until("the list is back", () => page.getByTestId("record-row").first().isVisible());
  });

  await tally.try("filters narrow the list, and what is found nowhere says so", async () => {
    await page.getByTestId("kind-seizure").click();
    await until("seizures alone", async () => (await page.getByTestId("record-row").count()) < 15);
    await page.getByTestId("compartment-select").selectOption("agency/moi/imt-2");
    await page.getByTestId("filters-clear").click();
    await page.getByTestId("record-row").nth(20).waitFor();
    await page.getByTestId("search-input").fill("Bratislavaplatz 9137");
    await page.getByTestId("filters-clear").click();
    await page.getByTestId("record-row").nth(20).waitFor();
  });

  await tally.try("what needs a decision is found from the overview, both values side by side", async () => {
    await page.getByTestId("nav-overview").click();
    await page.getByTestId("overview-teams").getByText("IMT-1").waitFor();
    await page.getByTestId("overview-devices").getByText("tablet").waitFor();
    await shot(page, "console-overview");
    await page.getByTestId("overview-decisions").click();
    await until("one row", async () => (await page.getByTestId("record-row").count()) === 1);
    await page.getByTestId("record-row").click();
    const text = await page.getByTestId("conflicts").textContent();
    for (const word of ["Nexia 3", "Lacetti", "Karimov Aziz", "Tosheva Lola"]) if (!text.includes(word)) throw new Error(`${word} is missing in: ${text}`);
    await shot(page, "console-conflict");
    await page.getByTestId("back").click();
    await page.getByTestId("filter-decisions").click();
    await page.getByTestId("record-row").nth(20).waitFor();
  });

  await tally.try("a record shows its history with what changed, and Escape goes back", async () => {
    await page.goto(`${base}/#/${first.compartment}/${first.id}`);
    await page.getByTestId("history-entry").nth(1).waitFor();
    const text = await page.getByTestId("history-entry").first().textContent();
    if (!text.includes("Karimov Aziz") || !text.includes("tablet")) throw new Error(`who and where is missing: ${text}`);
    await page.keyboard.press("Escape");
    await page.getByTestId("record-row").first().waitFor();
  });

  await tally.try("four languages and both themes fit, at three widths", async () => {
    for (const width of [1280, 1920, 800]) {
      await page.setViewportSize({ width, height: 800 });
      for (const language of ["uz-Cyrl", "ru", "en", "uz-Latn"]) {
        await page.getByTestId(`lang-${language}`).click();
        for (const view of ["list", "record"]) {
          if (view === "record") await page.getByTestId("record-row").first().click();
          await (view === "record" ? page.getByTestId("history-entry") : page.getByTestId("record-row")).first().waitFor();
          for (const theme of ["night", "day"]) {
            if ((await page.evaluate("document.documentElement.dataset.theme")) !== theme) await page.getByTestId("theme-select").click();
            const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
            if (wide > 0) throw new Error(`${view} in ${language}, ${theme}, ${width} px is ${wide} px too wide`);
            const cut = await page.evaluate(clipped);
            if (cut.length > 0) throw new Error(`${view} in ${language}, ${width} px is cut: ${cut.join("; ")}`);
            await shot(page, `console-${view}-${theme}-${language.toLowerCase()}-${width}`);
          }
          if (view === "record") await page.getByTestId("back").click();
        }
      }
    }
  });

  await tally.try("a server that was restored or set back says so over everything, in every language, whole", async () => {
    // The server's own answer, with the two times that a restore and an alarm leave in it.
    await page.route("**/api/overview", async (route) => {
      const answer = await route.fetch();
      const view = await answer.json();
      await route.fulfill({ response: answer, json: { ...view, restored_ms: Date.now() - 3_600_000, set_back_ms: Date.now() - 7_200_000 } });
    });
    for (const width of [1280, 800]) {
      await page.setViewportSize({ width, height: 800 });
      for (const language of ["ru", "en", "uz-Latn", "uz-Cyrl"]) {
        await page.getByTestId(`lang-${language}`).click();
        await page.getByTestId("nav-overview").click();
        await until("both banners", async () => (await page.locator('[role="alert"]').count()) === 2);
        const cut = await page.evaluate(clipped);
        if (cut.length > 0) throw new Error(`the overview in ${language}, ${width} px is cut: ${cut.join("; ")}`);
        await shot(page, `console-banners-${language.toLowerCase()}-${width}`);
      }
    }
    await page.unroute("**/api/overview");
  });

  await tally.try("another agency's note is not found, and an administrator sees no records", async () => {
    if (!moiOnly) throw new Error("the sample has a note of the ministry alone");
    const other = await visit("saidov");
    await other.getByTestId("record-row").first().waitFor();
    await other.goto(`${base}/#/${moiOnly.compartment}/${moiOnly.id}`);
    await other.getByTestId("failure").waitFor();
    if ((await other.getByTestId("history-entry").count()) > 0) throw new Error("it is shown");
    const admin = await visit("admin");
    await admin.getByTestId("overview-devices").getByText("tablet").waitFor();
    if ((await admin.getByTestId("record-row").count()) > 0) throw new Error("an administrator sees records");
  });

  await tally.try("log-out ends the session", async () => {
    await page.getByTestId("logout").click();
    await page.getByTestId("login-name").waitFor();
    await page.goto(base);
    await page.getByTestId("login-name").waitFor();
  });

  await tally.try("the browser complained of nothing", async () => {
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
  });
} finally {
  await browser?.close();
  await stage.clear();
  tally.close();
}
