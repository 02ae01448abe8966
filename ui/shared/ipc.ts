// The one place that calls a command of the app. Never a word for people, never a decision.
import { Channel, invoke } from "@tauri-apps/api/core";
import type { AdmitInput } from "./generated/AdmitInput.ts";
import type { AdmitOptions } from "./generated/AdmitOptions.ts";
import type { Admitted } from "./generated/Admitted.ts";
import type { ConflictChoice } from "./generated/ConflictChoice.ts";
import type { DraftForm } from "./generated/DraftForm.ts";
import type { DraftInput } from "./generated/DraftInput.ts";
import type { DraftKept } from "./generated/DraftKept.ts";
import type { DraftRow } from "./generated/DraftRow.ts";
import type { DraftView } from "./generated/DraftView.ts";
import type { Encounter } from "./generated/Encounter.ts";
import type { EncounterQuery } from "./generated/EncounterQuery.ts";
import type { EnrolInput } from "./generated/EnrolInput.ts";
import type { FileRow } from "./generated/FileRow.ts";
import type { KeptFile } from "./generated/KeptFile.ts";
import type { OfficerCard } from "./generated/OfficerCard.ts";
import type { PackRead } from "./generated/PackRead.ts";
import type { PackWritten } from "./generated/PackWritten.ts";
import type { RecordPage } from "./generated/RecordPage.ts";
import type { RecordRef } from "./generated/RecordRef.ts";
import type { RecordView } from "./generated/RecordView.ts";
import type { SavedView } from "./generated/SavedView.ts";
import type { Settings } from "./generated/Settings.ts";
import type { ShiftHome } from "./generated/ShiftHome.ts";
import type { ShiftInput } from "./generated/ShiftInput.ts";
import type { StartView } from "./generated/StartView.ts";
import type { SalvageView } from "./generated/SalvageView.ts";
import type { SyncStrip } from "./generated/SyncStrip.ts";
import type { SyncView } from "./generated/SyncView.ts";
import type { UiError } from "./generated/UiError.ts";
import type { VoidAct } from "./generated/VoidAct.ts";
import type { WatchEvent } from "./generated/WatchEvent.ts";

/** What a screen can ask. A promise that is refused is refused with a `UiError`. */
export interface Ipc {
  admitOptions(): Promise<AdmitOptions>;
  admitOfficer(input: AdmitInput): Promise<Admitted>;
  appStart(): Promise<StartView>;
  appWatch(hear: (event: WatchEvent) => void): Promise<void>;
  appTouch(): Promise<void>;
  officerEnrol(input: EnrolInput): Promise<StartView>;
  officerUnlock(officer: string, pin: string): Promise<OfficerCard>;
  officerLock(): Promise<void>;
  shiftHome(): Promise<ShiftHome>;
  shiftPut(input: ShiftInput): Promise<void>;
  draftList(): Promise<DraftRow[]>;
  draftStart(form: DraftForm): Promise<DraftView>;
  draftAmend(record: RecordRef): Promise<DraftView>;
  draftGet(id: string): Promise<DraftView>;
  draftPut(input: DraftInput): Promise<DraftKept>;
  draftDiscard(id: string): Promise<void>;
  draftSave(input: DraftInput): Promise<SavedView>;
  /** Asks where in the platform's own dialog; null where nothing was chosen. */
  packWrite(title: string): Promise<PackWritten | null>;
  packRead(title: string): Promise<PackRead | null>;
  recordList(kind: string | null, cursor: string | null): Promise<RecordPage>;
  recordSearch(text: string, kind: string | null): Promise<RecordPage>;
  recordGet(record: RecordRef): Promise<RecordView>;
  recordResolve(record: RecordRef, choices: ConflictChoice[], reason: string | null): Promise<SavedView>;
  recordVoid(record: RecordRef, act: VoidAct, reason: string): Promise<SavedView>;
  fileAttach(record: RecordRef, file: File): Promise<FileRow[]>;
  fileKeep(compartment: string, file: File): Promise<KeptFile>;
  fileDrop(compartment: string, sha256: string): Promise<void>;
  /** Asks in the platform's own dialog; null where nothing was chosen. */
  filePick(record: RecordRef, title: string): Promise<FileRow[] | null>;
  fileShow(compartment: string, sha256: string): Promise<ArrayBuffer>;
  fileWant(record: RecordRef, sha256: string): Promise<FileRow[]>;
  encounterList(query: EncounterQuery): Promise<Encounter[]>;
  syncStrip(): Promise<SyncStrip>;
  syncView(): Promise<SyncView>;
  syncNow(): Promise<SyncStrip>;
  syncStop(): Promise<void>;
  syncSalvage(compartment: string): Promise<SalvageView>;
  syncTakenSeen(compartment: string): Promise<void>;
  settingsGet(): Promise<Settings>;
  settingsPut(settings: Settings): Promise<void>;
}

function known(cause: unknown): UiError {
  if (typeof cause === "object" && cause !== null && "code" in cause) return cause as UiError;
  return { code: "unexpected", trace: String(cause).slice(0, 80) };
}

async function call<T>(command: string, args: Record<string, unknown> = {}): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (cause) {
    throw known(cause);
  }
}

/** Hands a file's bytes over as they are; what is to be said of it goes in the heads, where only ASCII may stand. */
async function send<T>(command: string, file: File, heads: { readonly [head: string]: string }): Promise<T> {
  const all = { ...heads, "x-name": file.name, "x-taken": String(file.lastModified) };
  const headers = Object.fromEntries(Object.entries(all).map(([k, v]) => [k, encodeURIComponent(v)]));
  try {
    return await invoke<T>(command, await file.arrayBuffer(), { headers });
  } catch (cause) {
    throw known(cause);
  }
}

export const ipc: Ipc = {
  admitOptions: () => call("admit_options"),
  admitOfficer: (input) => call("admit_officer", { input }),
  appStart: () => call("app_start"),
  appWatch: (hear) => call("app_watch", { channel: new Channel<WatchEvent>(hear) }),
  appTouch: () => call("app_touch"),
  officerEnrol: (input) => call("officer_enrol", { input }),
  officerUnlock: (officer, pin) => call("officer_unlock", { officer, pin }),
  officerLock: () => call("officer_lock"),
  shiftHome: () => call("shift_home"),
  shiftPut: (input) => call("shift_put", { input }),
  draftList: () => call("draft_list"),
  draftStart: (form) => call("draft_start", { form }),
  draftAmend: (record) => call("draft_amend", { record }),
  draftGet: (id) => call("draft_get", { id }),
  draftPut: (input) => call("draft_put", { input }),
  draftDiscard: (id) => call("draft_discard", { id }),
  draftSave: (input) => call("draft_save", { input }),
  packWrite: (title) => call("pack_write", { title }),
  packRead: (title) => call("pack_read", { title }),
  recordList: (kind, cursor) => call("record_list", { kind, cursor }),
  recordSearch: (text, kind) => call("record_search", { text, kind }),
  recordGet: (record) => call("record_get", { record }),
  recordResolve: (record, choices, reason) => call("record_resolve", { record, choices, reason }),
  recordVoid: (record, act, reason) => call("record_void", { record, act, reason }),
  fileAttach: (record, file) => send("file_attach", file, { "x-compartment": record.compartment, "x-record": record.id }),
  fileKeep: (compartment, file) => send("file_keep", file, { "x-compartment": compartment }),
  fileDrop: (compartment, sha256) => call("file_drop", { compartment, sha256 }),
  filePick: (record, title) => call("file_pick", { record, title }),
  fileShow: (compartment, sha256) => call("file_show", { compartment, sha256 }),
  fileWant: (record, sha256) => call("file_want", { record, sha256 }),
  encounterList: (query) => call("encounter_list", { query }),
  syncStrip: () => call("sync_strip"),
  syncView: () => call("sync_view"),
  syncNow: () => call("sync_now"),
  syncStop: () => call("sync_stop"),
  syncSalvage: (compartment) => call("sync_salvage", { compartment }),
  syncTakenSeen: (compartment) => call("sync_taken_seen", { compartment }),
  settingsGet: () => call("settings_get"),
  settingsPut: (settings) => call("settings_put", { settings }),
};
