// Who is logged in, what is open, and how it looks. Keeps nothing but looks in the browser.
import type { Language } from "@daftar/shared/generated/Language.ts";
import type { SessionView } from "@daftar/shared/generated/console/SessionView.ts";
import { LANGUAGES, speak } from "@daftar/shared/i18n/index.svelte.ts";
import { ApiError, api, type Failure } from "./api.ts";

export type Theme = "day" | "night";
export type View = "records" | "overview";
export interface Open {
  compartment: string;
  id: string;
}

const LAG_EVERY_MS = 5_000;

class Console {
  session = $state.raw<SessionView | null>(null);
  ready = $state(false);
  failure = $state.raw<Failure | null>(null);
  open = $state.raw<Open | null>(null);
  view = $state<View>("records");
  /** The list shows only what needs a decision. */
  decisions = $state(false);
  lag = $state(0);
  theme = $state<Theme>("day");
  language = $state<Language>("uz-Latn");

  async begin(): Promise<void> {
    this.look(
      (LANGUAGES.find((l) => l.code === localStorage.getItem("language"))?.code ?? "uz-Latn") as Language,
      (localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "day")) === "night" ? "night" : "day",
    );
    addEventListener("popstate", () => this.#read());
    this.#read();
    await this.try(async () => (this.session = await api.session()), true);
    this.ready = true;
    setInterval(() => void this.#askLag(), LAG_EVERY_MS);
    await this.#askLag();
  }

  look(language: Language, theme: Theme): void {
    this.language = language;
    this.theme = theme;
    speak(language);
    document.documentElement.lang = language;
    document.documentElement.dataset["theme"] = theme;
    localStorage.setItem("language", language);
    localStorage.setItem("theme", theme);
  }

  async #askLag(): Promise<void> {
    if (this.session === null) return;
    await this.try(async () => (this.lag = (await api.lag()).lag), true);
  }

  /** Runs what asks the server; what goes wrong is shown, unless it is asked `quietly`. */
  async try(what: () => Promise<unknown>, quietly = false): Promise<boolean> {
    try {
      await what();
      // What was said of something else stays until it is asked again.
      if (!quietly || this.failure?.code === "unreachable") this.failure = null;
      return true;
    } catch (cause) {
      const failure = cause instanceof ApiError ? cause.failure : ({ code: "unexpected", trace: String(cause) } as const);
      if (failure.code === "no_session" && this.session !== null) this.session = null;
      else if (quietly && failure.code !== "unreachable") return false;
      this.failure = failure;
      return false;
    }
  }

  #read(): void {
    const at = /^#\/(.+)\/([0-9a-f-]{36})$/.exec(location.hash);
    this.open = at?.[1] && at[2] ? { compartment: at[1], id: at[2] } : null;
    if (this.open === null) this.view = location.hash === "#/overview" ? "overview" : "records";
    if (this.failure?.code !== "unreachable") this.failure = null;
  }

  go(view: View): void {
    history.pushState(null, "", view === "overview" ? "#/overview" : "#/");
    this.#read();
  }

  show(open: Open | null): void {
    if (open === null) return this.go(this.view);
    history.pushState(null, "", `#/${open.compartment}/${open.id}`);
    this.#read();
  }

  async logout(): Promise<void> {
    await this.try(() => api.logout(), true);
    this.session = null;
    this.view = "records";
    this.decisions = false;
    this.show(null);
  }
}

export const desk = new Console();
