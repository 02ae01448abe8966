// Who has unlocked, in which language and colours, and how the way to headquarters stands. Holds no record.
import { asError, errorText } from "@daftar/shared/errors.svelte.ts";
import type { DraftForm } from "@daftar/shared/generated/DraftForm.ts";
import type { PackProgress } from "@daftar/shared/generated/PackProgress.ts";
import type { OfficerCard } from "@daftar/shared/generated/OfficerCard.ts";
import type { RecordRef } from "@daftar/shared/generated/RecordRef.ts";
import type { Settings } from "@daftar/shared/generated/Settings.ts";
import type { StartView } from "@daftar/shared/generated/StartView.ts";
import type { SyncProgress } from "@daftar/shared/generated/SyncProgress.ts";
import type { SyncStrip } from "@daftar/shared/generated/SyncStrip.ts";
import type { UiError } from "@daftar/shared/generated/UiError.ts";
import { speak } from "@daftar/shared/i18n/index.svelte.ts";
import { ipc } from "@daftar/shared/ipc.ts";
import { toast } from "@daftar/shared/toasts.svelte.ts";
import { type Opened, router } from "./router.svelte.ts";

const STRIP_EVERY_MS = 10_000;
const TOUCH_EVERY_MS = 15_000;

class Session {
  start = $state.raw<StartView>();
  startError = $state.raw<UiError>();
  officer = $state.raw<OfficerCard | null>(null);
  settings = $state.raw<Settings>({ language: "uz-Latn", theme: "day", text_size: "normal" });
  strip = $state.raw<SyncStrip>({ waiting: 0, last_hq_ms: null, running: false, trouble: null, needs_decision: 0, taken: 0 });
  progress = $state.raw<SyncProgress | null>(null);
  pack = $state.raw<PackProgress | null>(null);
  /** The clock for "5 minutes ago". */
  now = $state(Date.now());
  /** Names of officers by their codes. */
  people = $state.raw<ReadonlyMap<string, OfficerCard>>(new Map());

  /** What must be on the disk before the notebook is locked: the open form, if there is one. */
  flushForm: () => Promise<void> = async () => {};

  #touched = 0;

  async begin(): Promise<void> {
    try {
      const start = await ipc.appStart();
      this.#apply(start.settings);
      this.start = start;
      this.officer = start.unlocked;
      await ipc.appWatch((event) => {
        if (event.event === "locked") this.#locked();
        else if (event.event === "strip") this.strip = event.data;
        else if (event.event === "progress") this.progress = event.data;
        else this.pack = event.data;
      });
      await this.refreshStrip();
      setInterval(() => void this.refreshStrip(), STRIP_EVERY_MS);
    } catch (cause) {
      this.startError = asError(cause);
    }
  }

  async refreshStrip(): Promise<void> {
    this.now = Date.now();
    try {
      this.strip = await ipc.syncStrip();
    } catch (cause) {
      this.heed(cause);
    }
  }

  async unlock(officer: string, pin: string): Promise<void> {
    this.officer = await ipc.officerUnlock(officer, pin);
    router.tabTo("shift");
    // The device's own name is behind the lock.
    this.start = await ipc.appStart();
    await this.refreshStrip();
  }

  async lock(): Promise<void> {
    await this.flushForm();
    await this.try(() => ipc.officerLock());
  }

  #locked(): void {
    this.officer = null;
    this.people = new Map();
    router.tabTo("shift");
    void ipc.appStart().then((start) => (this.start = start), () => {});
  }

  async set(change: Partial<Settings>): Promise<void> {
    const settings = { ...this.settings, ...change };
    this.#apply(settings);
    await this.try(() => ipc.settingsPut(settings));
  }

  #apply(settings: Settings): void {
    this.settings = settings;
    speak(settings.language);
    const root = document.documentElement;
    root.lang = settings.language;
    root.dataset["theme"] = settings.theme;
    root.dataset["size"] = settings.text_size;
  }

  /** Somebody touched the screen: the idle lock starts again. */
  touch(): void {
    const now = Date.now();
    if (this.officer === null || now - this.#touched < TOUCH_EVERY_MS) return;
    this.#touched = now;
    void ipc.appTouch();
  }

  async syncNow(): Promise<void> {
    this.progress = null;
    this.strip = { ...this.strip, running: true };
    try {
      this.strip = await ipc.syncNow();
    } catch (cause) {
      this.strip = { ...this.strip, running: false };
      this.heed(cause);
    }
    this.progress = null;
    this.now = Date.now();
  }

  async open(form: DraftForm): Promise<void> {
    await this.try(async () => this.show(await ipc.draftStart(form)));
  }

  async resume(id: string): Promise<void> {
    await this.try(async () => this.show({ ...(await ipc.draftGet(id)), kept: true }));
  }

  async amend(record: RecordRef): Promise<void> {
    await this.try(async () => this.show({ ...(await ipc.draftAmend(record)), kept: true }));
  }

  show(draft: Opened): void {
    router.go({ name: draft.form, draft });
  }

  /** The name of an officer; a code that this device does not know stands as it is. */
  name(code: string): string {
    return this.people.get(code)?.name ?? code;
  }

  /** Runs what may go wrong and says so in words. Answers whether it went well. */
  async try(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (cause) {
      this.heed(cause);
      return false;
    }
  }

  heed(cause: unknown): void {
    const error = asError(cause);
    if (error.code === "locked") {
      if (this.officer !== null) this.#locked();
      return;
    }
    toast("bad", errorText(error), "toast-error");
  }
}

export const session = new Session();
