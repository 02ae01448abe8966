// The few words of WebDriver (W3C) that the window's tests need. Knows nothing of Daftar.
import { writeFileSync } from "node:fs";
import { until } from "./stage.mjs";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

export class Driver {
  constructor(port) {
    this.base = `http://127.0.0.1:${port}`;
  }

  async call(method, path, body) {
    const answer = await fetch(`${this.base}${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    const { value } = await answer.json();
    if (value?.error) throw new Error(`${value.error}: ${value.message}`);
    return value;
  }

  async ready() {
    await until("the driver is ready", async () => (await this.call("GET", "/status")).ready !== false);
  }

  async open(binary, args) {
    const session = await this.call("POST", "/session", {
      capabilities: { alwaysMatch: { "webkitgtk:browserOptions": { binary, args } } },
    });
    this.session = `/session/${session.sessionId}`;
  }

  async close() {
    if (this.session) await this.call("DELETE", this.session).catch(() => {});
    this.session = undefined;
  }

  async find(testid) {
    const found = await this.call("POST", `${this.session}/elements`, { using: "css selector", value: `[data-testid="${testid}"]` });
    return found.map((f) => f[ELEMENT]);
  }

  /** The first element with this test id, once it is there. */
  async one(testid, ms) {
    return until(`an element ${testid}`, async () => (await this.find(testid))[0], ms);
  }

  async click(testid) {
    await this.#on(testid, "click", {});
  }

  async type(testid, text) {
    await this.#on(testid, "value", { text });
  }

  /** What was drawn anew between being found and being touched is looked for again. */
  async #on(testid, act, body) {
    for (let tries = 1; ; tries++) {
      const id = await this.one(testid);
      try {
        return await this.call("POST", `${this.session}/element/${id}/${act}`, body);
      } catch (cause) {
        if (tries === 5 || !cause.message.startsWith("stale element reference")) throw cause;
      }
    }
  }

  /** Presses a key wherever the focus is. */
  async key(value) {
    const actions = [{ type: "key", id: "keys", actions: [{ type: "keyDown", value }, { type: "keyUp", value }] }];
    await this.call("POST", `${this.session}/actions`, { actions });
  }

  async text(testid) {
    const id = await this.one(testid);
    return this.call("GET", `${this.session}/element/${id}/text`);
  }

  run(script, ...args) {
    return this.call("POST", `${this.session}/execute/sync`, { script, args });
  }

  async screenshot(path) {
    writeFileSync(path, Buffer.from(await this.call("GET", `${this.session}/screenshot`), "base64"));
  }
}
