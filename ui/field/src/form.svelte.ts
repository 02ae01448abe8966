// A form's data on its way to the disk: each change is kept as a draft, a save makes it a record. Knows no field.
import { DraftKeeper, type Keeping } from "@daftar/shared/draft-keeper.ts";
import { asError, errorText } from "@daftar/shared/errors.svelte.ts";
import type { DraftForm } from "@daftar/shared/generated/DraftForm.ts";
import type { DraftInput } from "@daftar/shared/generated/DraftInput.ts";
import { t } from "@daftar/shared/i18n/index.svelte.ts";
import { ipc } from "@daftar/shared/ipc.ts";
import { toast } from "@daftar/shared/toasts.svelte.ts";
import { untrack } from "svelte";
import { type Opened, router } from "./router.svelte.ts";
import { session } from "./session.svelte.ts";

/** Made while a component is set up; the component's end writes what is left. */
export class Form<T extends object> {
  readonly draft: Opened;
  readonly form: DraftForm;
  data = $state({} as T);
  compartment = $state<string | null>(null);
  keeping = $state.raw<Keeping>({ phase: "clean" });
  saving = $state(false);

  readonly #keeper: DraftKeeper;

  constructor(draft: Opened, form: DraftForm = draft.form) {
    this.draft = draft;
    this.form = form;
    this.data = structuredClone(draft.data) as T;
    this.compartment = draft.compartment;
    this.#keeper = new DraftKeeper(ipc.draftPut, (keeping) => (this.keeping = keeping));

    let opened = false;
    $effect(() => {
      const input = this.#input();
      if (opened) untrack(() => this.#keeper.touch(input));
      opened = true;
    });
    $effect(() => {
      const flush = (): Promise<void> => this.#keeper.flush();
      session.flushForm = flush;
      const hidden = (): void => void flush();
      addEventListener("pagehide", hidden);
      document.addEventListener("visibilitychange", hidden);
      return () => {
        void flush();
        session.flushForm = async () => {};
        removeEventListener("pagehide", hidden);
        document.removeEventListener("visibilitychange", hidden);
      };
    });
  }

  /** Whether there is anything to discard. */
  get begun(): boolean {
    return this.draft.kept === true || this.keeping.phase !== "clean";
  }

  #input(): DraftInput {
    return { id: this.draft.id, form: this.form, compartment: this.compartment, data: this.#asked() };
  }

  /** The data without the empty groups that the form itself put there to write into. */
  #asked(): Record<string, unknown> {
    const data = $state.snapshot(this.data) as Record<string, unknown>;
    const added = ([name, value]: [string, unknown]): boolean =>
      typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every((v) => v === undefined) && !(name in this.draft.data);
    return Object.fromEntries(Object.entries(data).filter((entry) => !added(entry)));
  }

  /** A field lost the focus. */
  blur = (): void => void this.#keeper.flush();

  flush(): Promise<void> {
    return this.#keeper.flush();
  }

  /** Says "saved" only when the engine has said so. */
  async save(): Promise<boolean> {
    this.saving = true;
    await this.#keeper.stop();
    try {
      const saved = await ipc.draftSave(this.#input());
      toast("good", t("toast.saved_number", { number: saved.number }), "saved-toast");
      void session.refreshStrip();
      router.back();
      return true;
    } catch (cause) {
      this.saving = false;
      this.#keeper.resume(this.#input());
      toast("bad", errorText(asError(cause)), "toast-error");
      return false;
    }
  }

  async discard(): Promise<void> {
    await this.#keeper.stop();
    if (await session.try(() => ipc.draftDiscard(this.draft.id))) {
      toast("plain", t("draft.discarded"));
      router.back();
    } else {
      this.#keeper.resume(this.#input());
    }
  }
}
