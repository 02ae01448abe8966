// Which screen is open and which were before. Holds no data of a record.
import type { DraftView } from "@daftar/shared/generated/DraftView.ts";
import type { RecordRef } from "@daftar/shared/generated/RecordRef.ts";

/** A draft that is opened; `kept` once it stands on the disk. */
export type Opened = DraftView & { readonly kept?: boolean };

export type Screen =
  | { name: "shift" }
  | { name: "records" }
  | { name: "sync" }
  | { name: "settings" }
  | { name: "record"; record: RecordRef }
  | { name: "quick_stop"; draft: Opened }
  | { name: "inspection"; draft: Opened }
  | { name: "surveillance_note"; draft: Opened };

export type Tab = "shift" | "records" | "sync" | "settings";

const HOME: Screen = { name: "shift" };

class Router {
  #stack = $state.raw<readonly Screen[]>([HOME]);

  get screen(): Screen {
    return this.#stack.at(-1) ?? HOME;
  }

  /** The tab that the screen belongs to: the first screen of the way here. */
  get tab(): Tab {
    const first = this.#stack[0]?.name;
    return first === "records" || first === "sync" || first === "settings" ? first : "shift";
  }

  /** Opens a tab; the way back is forgotten. */
  tabTo(tab: Tab): void {
    this.#stack = [{ name: tab }];
  }

  go(screen: Screen): void {
    this.#stack = [...this.#stack, screen];
  }

  /** Opens a screen in this one's place. */
  replace(screen: Screen): void {
    this.#stack = [...this.#stack.slice(0, -1), screen];
  }

  back(): void {
    this.#stack = this.#stack.length > 1 ? this.#stack.slice(0, -1) : [HOME];
  }
}

export const router = new Router();
