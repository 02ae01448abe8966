// Puts a form's state on the disk soon after each change, one write at a time, the newest last. Never saves a record.
import type { DraftInput } from "./generated/DraftInput.ts";
import type { DraftKept } from "./generated/DraftKept.ts";

/** After the last change it waits so long; a blur does not wait. */
export const KEEP_AFTER_MS = 250;
/** However fast the typing, a change is written after so long at the latest. */
export const KEEP_AT_LATEST_MS = 300;
/** A write that failed is tried again after so long. */
export const KEEP_AGAIN_MS = 2000;

export type Keeping =
  | { phase: "clean" }
  | { phase: "writing" }
  | { phase: "kept"; at_ms: number }
  | { phase: "failed"; cause: unknown };

export class DraftKeeper {
  readonly #put: (input: DraftInput) => Promise<DraftKept>;
  readonly #hear: (keeping: Keeping) => void;
  #newest: DraftInput | undefined;
  #dirtySince = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;
  #stopped = false;

  constructor(put: (input: DraftInput) => Promise<DraftKept>, hear: (keeping: Keeping) => void) {
    this.#put = put;
    this.#hear = hear;
  }

  /** The form changed. */
  touch(input: DraftInput): void {
    if (this.#stopped) return;
    const now = Date.now();
    if (this.#newest === undefined) this.#dirtySince = now;
    this.#newest = input;
    this.#later(Math.max(0, Math.min(KEEP_AFTER_MS, this.#dirtySince + KEEP_AT_LATEST_MS - now)));
  }

  /** Writes what is unwritten now; resolves once the disk has it, or the write has failed. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#writing) await this.#writing;
    if (this.#newest === undefined || this.#stopped) return;
    this.#writing = this.#write(this.#newest);
    await this.#writing;
  }

  /** Writes nothing any more; resolves once no write is under way, so that none comes after a save or a discard. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    while (this.#writing) await this.#writing;
  }

  /** Goes on after a save that failed. */
  resume(input: DraftInput): void {
    this.#stopped = false;
    this.touch(input);
  }

  async #write(input: DraftInput): Promise<void> {
    this.#newest = undefined;
    this.#hear({ phase: "writing" });
    try {
      const kept = await this.#put(input);
      this.#writing = undefined;
      this.#hear({ phase: "kept", at_ms: kept.kept_at_ms });
    } catch (cause) {
      this.#writing = undefined;
      this.#newest ??= input;
      this.#hear({ phase: "failed", cause });
      if (!this.#stopped) this.#later(KEEP_AGAIN_MS);
    }
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), ms);
  }
}
