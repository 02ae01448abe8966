// A stage for the tests of window and console: a real server, real devices, in a folder of their own. Ends only what it started.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const PIN = "48151623";
export const PASSWORD = "correct horse battery";

const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
const BIN = process.env.DAFTAR_BIN_DIR ?? join(target, "debug");

export const binary = (name) => {
  const path = join(BIN, name);
  if (!existsSync(path)) throw new Error(`${path} is not built`);
  return path;
};

export const freePort = () =>
  new Promise((done, fail) => {
    const probe = createServer();
    probe.once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until `look` gives something. */
export async function until(what, look, ms = 20_000) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    try {
      const found = await look();
      if (found) return found;
    } catch (cause) {
      last = cause;
    }
    await sleep(100);
  }
  throw new Error(`waited ${ms} ms for: ${what}${last ? ` (${last.message})` : ""}`);
}

export class Stage {
  folder = mkdtempSync(join(tmpdir(), "daftar-ui-"));
  children = [];

  /** Runs a command to its end; gives its output, and fails with it unless it ends with 0. */
  run(name, args, { env = {}, input } = {}) {
    const done = spawnSync(binary(name), args, { env: { ...process.env, DAFTAR_PIN: PIN, ...env }, input, encoding: "utf8" });
    if (done.status !== 0) throw new Error(`${name} ${args.join(" ")}: status ${done.status}\n${done.stdout}\n${done.stderr}`);
    return done.stdout;
  }

  /** Starts something that runs until the stage is cleared. */
  start(command, args, options = {}) {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    child.log = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (text) => (child.log = (child.log + text).slice(-20_000)));
    this.children.push(child);
    return child;
  }

  async end(child) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await ended;
  }

  async clear() {
    for (const child of this.children.reverse()) await this.end(child);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A server with the sample's teams; gives its data folder and ports. */
  async server() {
    const [port, consolePort] = [await freePort(), await freePort()];
    const data = join(this.folder, "server");
    this.run("daftar-server", ["init", "--data", data, "--address", `127.0.0.1:${port}`, "--sample"]);
    const listen = async () => {
      const child = this.start(binary("daftar-server"), ["serve", "--data", data, "--listen", `127.0.0.1:${port}`, "--console", `127.0.0.1:${consolePort}`]);
      await until("the server listens", () => child.log.includes("listening"));
      return child;
    };
    return { data, port, consolePort, listen };
  }

  /** Adds an officer. */
  officer(server, name, more) {
    const input = more.includes("--password-stdin") ? `${PASSWORD}\n` : undefined;
    this.run("daftar-server", ["officer", "add", "--data", server.data, "--name", name, ...more], { input });
  }

  /** Enrols a new device of an officer and gives its home. */
  device(server, name, officer, everywhere = false) {
    const home = join(this.folder, name);
    const code = this.run("daftar-server", ["enrol", "--data", server.data, "--officer", officer, ...(everywhere ? ["--all-compartments"] : [])]).trim();
    this.run("daftar", ["--home", home, "enrol", code, "--device-name", name]);
    return home;
  }

  /** A display of our own; gives its name. */
  async display(size = "1280x800x24") {
    const child = this.start("Xvfb", ["-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"]);
    const number = await until("a display", () => child.log.match(/^(\d+)$/m)?.[1]);
    return `:${number}`;
  }

  daftar(home, ...args) {
    return JSON.parse(this.run("daftar", ["--home", home, "--json", ...args]));
  }
}

/** Counts what was tried; its last line is the tally. */
export class Tally {
  passed = 0;
  failed = 0;

  /** `around` gives what stands around a failure: what the page says, the end of a log. */
  constructor(around = async () => "") {
    this.around = around;
  }

  async try(claim, test) {
    const began = Date.now();
    try {
      await test();
      this.passed += 1;
      console.log(`ok    ${claim} (${Date.now() - began} ms)`);
      return true;
    } catch (cause) {
      this.failed += 1;
      const around = await this.around().catch((e) => `nothing more is known: ${e}`);
      console.log(`FAIL  ${claim}\n      ${`${cause.stack ?? cause}\n${around}`.trimEnd().replaceAll("\n", "\n      ")}`);
      return false;
    }
  }

  close() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed === 0 ? 0 : 1;
  }
}
