// Stands in for the app in the browser: sample data in memory, drafts in the session's storage. Not shipped.
import type { DraftForm } from "./generated/DraftForm.ts";
import type { DraftInput } from "./generated/DraftInput.ts";
import type { DraftRow } from "./generated/DraftRow.ts";
import type { DraftView } from "./generated/DraftView.ts";
import type { FileRow } from "./generated/FileRow.ts";
import type { OfficerCard } from "./generated/OfficerCard.ts";
import type { RecordRow } from "./generated/RecordRow.ts";
import type { Settings } from "./generated/Settings.ts";
import type { StartView } from "./generated/StartView.ts";
import type { SyncStrip } from "./generated/SyncStrip.ts";
import type { UiError } from "./generated/UiError.ts";
import type { WatchEvent } from "./generated/WatchEvent.ts";
import { ENROLLED, PEOPLE } from "./fake/people.ts";
import { type Data, RECORDS, encounterOf, historyOf, rowOf } from "./fake/records.ts";
import type { Ipc } from "./ipc.ts";

const query = new URLSearchParams(location.search);
const DRAFTS = "daftar-fake-drafts";
const PIN = "12345678";

let settings: Settings = {
  language: (query.get("language") ?? "uz-Latn") as Settings["language"],
  theme: (query.get("theme") ?? "day") as Settings["theme"],
  text_size: (query.get("size") ?? "normal") as Settings["text_size"],
};
let enrolled: OfficerCard[] = query.has("empty") ? [] : [...ENROLLED];
let officer: OfficerCard | null = query.has("unlocked") ? (ENROLLED[0] ?? null) : null;
let post: string | null = "oybek";
let crew = ["imt-3-moi-1", "imt-3-scc-1", "imt-3-sss-2"];
let records = query.has("empty") ? [] : [...RECORDS];
let wrong = 0;
let hear: (event: WatchEvent) => void = () => {};
let lastHq: number | null = query.has("empty") ? null : Date.now() - 3 * 3_600_000 - 200_000;
let running = false;
let trouble: SyncStrip["trouble"] = query.has("empty") ? null : "no_link";

/** Compartments whose damaged files were salvaged, or of which the officer has seen that they were taken. */
const settled = new Set<string>();
const drafts = new Map<string, DraftView>(JSON.parse(sessionStorage.getItem(DRAFTS) ?? "[]") as [string, DraftView][]);
if (query.has("drafts")) {
  drafts.set("d1", { ...view("d1", "inspection", { ...start(), vehicle: { plate: "30 B 412 KA", kind: "truck" } }), kept_at_ms: Date.now() - 12 * 60_000 });
  drafts.set("d2", { ...view("d2", "surveillance_note", {}), kept_at_ms: Date.now() - 50 * 60_000 });
}

function keep(): void {
  sessionStorage.setItem(DRAFTS, JSON.stringify([...drafts]));
}

function later<T>(value: T, ms = 25): Promise<T> {
  return new Promise((done) => setTimeout(() => done(value), ms));
}

function refuse(error: UiError): Promise<never> {
  return new Promise((_, no) => setTimeout(() => no(error), 25));
}

function view(id: string, form: DraftForm, data: Data): DraftView {
  const audiences =
    form === "surveillance_note"
      ? [
          { handling: "H0", compartments: ["team/imt-3"] },
          { handling: "H1", compartments: ["team/imt-3"] },
          { handling: "H2", compartments: ["agency/moi/imt-3"] },
          { handling: "H3", compartments: ["operation/op-shamol"] },
        ]
      : [];
  return { id, form, kept_at_ms: Date.now(), amends: null, compartment: form === "surveillance_note" ? null : "team/imt-3", audiences, data };
}

function start(): Data {
  const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  return {
    team: "imt-3",
    post,
    lead_agency: "moi",
    officers: crew.map((o, i) => ({ key: i + 1, officer: o, role: i === 0 ? "lead" : "member" })),
    occurred_from: now,
    utc_offset_minutes: 300,
    place: { latitude: 40.321, longitude: 69.147, accuracy_m: 80, method: "post" },
  };
}

function startNote(): Data {
  return { team: "imt-3", agency: "moi", utc_offset_minutes: 300, grading_scheme: "admiralty_6x6", occurred_from: new Date().toISOString().replace(/\.\d+Z$/, "Z"), observations: [{ key: 1, at: new Date().toISOString().replace(/\.\d+Z$/, "Z") }] };
}

function draftRow(d: DraftView): DraftRow {
  const data = d.data as Record<string, any>;
  return { id: d.id, form: d.form, kept_at_ms: d.kept_at_ms, title: data["vehicle"]?.plate ?? data["observations"]?.[0]?.text ?? "", amends: d.amends };
}

function card(code: string): OfficerCard[] {
  return PEOPLE.filter((p) => p.code === code);
}

function waiting(): RecordRow[] {
  return records.map((r) => r.row).filter((r) => r.state === "waiting" || r.state === "needs_decision");
}

function strip(): SyncStrip {
  return { waiting: waiting().length, last_hq_ms: lastHq, running, trouble, needs_decision: records.filter((r) => r.row.state === "needs_decision").length, taken: query.has("closed") && !settled.has("team/imt-7") ? 1 : 0 };
}

function startView(): StartView {
  return { version: "0.1.0", enrolled: enrolled.length > 0, device: "IMT-3 · 1", protection: "pin_only", pin_chars_min: 8, photo_bytes_max: 40 * 1024 * 1024, file_bytes_max: 2 ** 31, officers: enrolled, unlocked: officer, settings };
}

const fold = (s: string): string => s.toUpperCase().replace(/[\s-]/g, "").replace(/[АВЕКМНОРСТУХ]/g, (c) => "ABEKMHOPCTYX"["АВЕКМНОРСТУХ".indexOf(c)] ?? c);

const PICTURE = new Map<string, Blob>();

/** A picture to look at: a road and a lorry's side, drawn here. */
async function drawn(n: number): Promise<Blob> {
  const canvas = new OffscreenCanvas(960, 720);
  const c = canvas.getContext("2d")!;
  c.fillStyle = ["#9db4c0", "#c9b79c", "#8fa58b", "#b3a5b8"][n % 4]!;
  c.fillRect(0, 0, 960, 720);
  c.fillStyle = "#53606b";
  c.fillRect(0, 520, 960, 200);
  c.fillStyle = ["#7a1f1f", "#1f4a7a", "#e8e4d8", "#2d5a3a"][n % 4]!;
  c.fillRect(180 + 40 * n, 250, 520, 280);
  c.fillStyle = "#1c2226";
  for (const x of [280, 560]) {
    c.beginPath();
    c.arc(x + 40 * n, 540, 58, 0, 7);
    c.fill();
  }
  return canvas.convertToBlob({ type: "image/jpeg" });
}

function files(record: string): FileRow[] {
  const list = attached.get(record);
  if (list) return list;
  const row = (n: number, more: Partial<FileRow>): FileRow => ({ sha256: `${record}-${n}`, name: `IMG_20${n}4.jpg`, media_type: "image/jpeg", size_bytes: 2_400_000 + n * 331_000, caption: null, thumbnail: `${record}-${n}`, chunks: 10, chunks_here: 10, here: true, at_hq: true, wanted: false, ...more });
  const made = [
    row(1, {}),
    row(2, { caption: "Orqa eshik paneli" }),
    row(3, { at_hq: false }),
    row(0, { here: false, chunks_here: 0 }),
    row(5, { name: "bayonnoma.pdf", media_type: "application/pdf", thumbnail: null, here: false, chunks_here: 4, at_hq: true }),
  ];
  attached.set(record, made);
  return made;
}

const attached = new Map<string, FileRow[]>();

export const ipc: Ipc = {
  admitOptions: () => later({ may_admit: officer?.role === "leader", compartments: ["team/imt-3", "agency/moi/imt-3", "operation/op-shamol", "watchlist/yashil"], hours_max: 72, pin_chars_min: 8 }),
  admitOfficer: (input) => {
    if (input.pin.length < 8) return refuse({ code: "pin_short", chars_min: 8 });
    if (input.code === "imt-3-moi-1") return refuse({ code: "not_admitted", why: "here_already" });
    enrolled = [...enrolled, { id: "e".repeat(32), code: input.code, name: input.name, agency: input.agency, team: "imt-3", role: "officer" }];
    return later({ code: input.code, name: input.name, until_ms: Date.now() + input.hours * 3_600_000, compartments: ["reference", ...input.compartments] }, 700);
  },
  fileAttach: async (record, file) => {
    const sha256 = `${record.id}-own-${file.name}`;
    PICTURE.set(sha256, file);
    attached.set(record.id, [...files(record.id), { sha256, name: file.name, media_type: file.type, size_bytes: file.size, caption: null, thumbnail: sha256, chunks: 1, chunks_here: 1, here: true, at_hq: false, wanted: false }]);
    return files(record.id);
  },
  fileKeep: async (_, file) => {
    const sha256 = `draft-${file.name}`;
    PICTURE.set(sha256, file);
    return { element: { sha256, name: file.name, media_type: file.type, size_bytes: file.size, thumbnail: sha256 } };
  },
  fileDrop: () => later(undefined),
  filePick: () => later(null),
  fileShow: async (_, sha256) => (PICTURE.get(sha256) ?? (await drawn(Number(sha256.at(-1)) || 0))).arrayBuffer(),
  fileWant: (record, sha256) => {
    attached.set(record.id, files(record.id).map((f) => (f.sha256 === sha256 ? { ...f, wanted: true } : f)));
    return later(files(record.id));
  },
  appStart: () => later(startView()),
  appWatch: (listener) => {
    hear = listener;
    return later(undefined);
  },
  appTouch: () => later(undefined),
  officerEnrol: (input) => {
    if (!/^[A-Z0-9-]{6,}$/i.test(input.code)) return refuse({ code: "code_invalid" });
    if (input.pin.length < 8) return refuse({ code: "pin_short", chars_min: 8 });
    enrolled = [...enrolled, { id: "f".repeat(32), code: "imt-3-moi-9", name: input.name, agency: "moi", team: "imt-3", role: "officer" }];
    return later(startView(), 900);
  },
  officerUnlock: (id, pin) => {
    if (pin !== PIN) return refuse({ code: "pin_wrong", wait_seconds: ++wrong > 1 ? 2 ** wrong : 0 });
    wrong = 0;
    officer = enrolled.find((o) => o.id === id) ?? null;
    return officer ? later(officer, 350) : refuse({ code: "not_found" });
  },
  officerLock: () => {
    officer = null;
    hear({ event: "locked" });
    return later(undefined);
  },
  shiftHome: () => {
    const today = records.map((r) => r.row).filter((r) => r.at_ms > Date.now() - 14 * 3_600_000);
    const stops = today.filter((r) => r.kind === "inspection");
    return later({
      team: "imt-3",
      post,
      posts: ["oybek", "yallama"],
      crew: crew.flatMap(card),
      people: PEOPLE,
      today,
      counts: { stops: stops.length, finds: stops.filter((r) => r.result === "seizure").length, notes: today.filter((r) => r.kind === "surveillance_note").length, needs_decision: strip().needs_decision },
      drafts: [...drafts.values()].sort((a, b) => b.kept_at_ms - a.kept_at_ms).map(draftRow),
    });
  },
  shiftPut: (input) => {
    post = input.post;
    crew = input.crew;
    return later(undefined);
  },
  draftList: () => later([...drafts.values()].map(draftRow)),
  draftStart: (form) => later(view(crypto.randomUUID(), form, form === "surveillance_note" ? startNote() : start())),
  draftAmend: (record) => {
    const found = records.find((r) => r.row.id === record.id);
    if (!found) return refuse({ code: "not_found" });
    const form = found.row.kind === "surveillance_note" ? "surveillance_note" : "inspection";
    return later({ ...view(record.id, form, structuredClone(found.data)), amends: found.row.number, compartment: found.row.compartment });
  },
  draftGet: (id) => {
    const draft = drafts.get(id);
    return draft ? later(structuredClone(draft)) : refuse({ code: "not_found" });
  },
  draftPut: (input: DraftInput) => {
    const kept_at_ms = Date.now();
    drafts.set(input.id, { ...(drafts.get(input.id) ?? view(input.id, input.form, {})), form: input.form, compartment: input.compartment, data: input.data, kept_at_ms });
    keep();
    return later({ kept_at_ms }, 60);
  },
  draftDiscard: (id) => {
    drafts.delete(id);
    keep();
    return later(undefined);
  },
  draftSave: (input: DraftInput) => {
    const kind = input.form === "surveillance_note" ? "surveillance_note" : "inspection";
    const compartment = input.compartment ?? "team/imt-3";
    const data = { ...input.data, number: (input.data["number"] as string) ?? `${kind === "inspection" ? "" : "N-"}IMT-3-2026-1${String(records.length + 1).padStart(5, "0")}` };
    records = [{ row: rowOf(kind, compartment, input.id, data, "waiting"), data }, ...records.filter((r) => r.row.id !== input.id)];
    drafts.delete(input.id);
    keep();
    hear({ event: "strip", data: strip() });
    return later({ compartment, id: input.id, number: data.number, saved_at_ms: Date.now(), waiting: waiting().length }, 120);
  },
  packWrite: async () => {
    for (let n = 1; n < 6; n++) {
      hear({ event: "pack", data: { bytes: n * 210_000, of: null } });
      await later(undefined, 200);
    }
    return { changes: 412, files: 3, files_part: 1, files_left: 2, bytes: 1_258_000, more: false };
  },
  packRead: async () => {
    if (query.has("broken")) return refuse({ code: "pack_broken" });
    for (let n = 1; n < 6; n++) {
      hear({ event: "pack", data: { bytes: n * 210_000, of: 1_050_000 } });
      await later(undefined, 200);
    }
    return { purpose: "answer", from: null, written_ms: Date.now() - 5 * 3_600_000, received: 37, receipted: 409, files_received: 2, files_part: 1, files_receipted: 3, refused: query.has("closed") ? 2 : 0, waiting: 3, more: false };
  },
  recordList: (kind, cursor) => {
    const all = records.map((r) => r.row).filter((r) => kind === null || r.kind === kind);
    const from = Number(cursor ?? 0);
    return later({ rows: all.slice(from, from + 40), next: from + 40 < all.length ? String(from + 40) : null });
  },
  recordSearch: (text, kind) => {
    const words = text.toUpperCase().split(/\s+/).filter(Boolean);
    const hit = records.filter((r) => {
      const all = JSON.stringify(r.data).toUpperCase();
      return (kind === null || r.row.kind === kind) && (words.every((w) => all.includes(w)) || fold(r.row.plate ?? "").includes(fold(text)));
    });
    return later({ rows: hit.slice(0, 60).map((r) => r.row), next: null }, 10);
  },
  recordGet: (record) => {
    const found = records.find((r) => r.row.id === record.id);
    if (!found) return refuse({ code: "not_found" });
    const conflict = found.row.state === "needs_decision";
    return later({
      row: found.row,
      data: found.data,
      may_amend: found.row.kind === "inspection" || found.row.kind === "surveillance_note",
      conflicts: conflict
        ? [
            {
              path: "vehicle.colour",
              versions: [
                { change: "a".repeat(64), author: "imt-3-moi-1", at_ms: found.row.at_ms + 300_000, value: "grey" },
                { change: "b".repeat(64), author: "imt-3-scc-1", at_ms: found.row.at_ms + 420_000, value: "silver" },
              ],
            },
            {
              path: "vehicle.plate",
              versions: [
                { change: "c".repeat(64), author: "imt-3-moi-1", at_ms: found.row.at_ms + 300_000, value: "01 A 771 BC" },
                { change: "d".repeat(64), author: "imt-3-scc-1", at_ms: found.row.at_ms + 420_000, value: "01 A 177 BC" },
                { change: "e".repeat(64), author: "imt-3-sss-2", at_ms: found.row.at_ms + 480_000, value: "01 A 717 BC" },
              ],
            },
          ]
        : [],
      history: query.has("flags")
        ? historyOf(found).map((h, at) => ({ ...h, ruling: at === 0 ? { verdict: "review", reason: "after_revoke" } : { verdict: "quarantined", reason: "undecodable" } }))
        : historyOf(found),
      links: records.filter((r) => r.data["inspection"] === record.id || found.data["inspection"] === r.row.id || r.data["seizure"] === record.id).map((r) => r.row),
      files: found.row.kind === "custody_event" ? [] : files(record.id),
      may_attach: found.row.kind !== "custody_event" && found.row.state !== "voided",
      flags: { earlier_missing: query.has("flags"), revived: query.has("flags"), revived_elements: 0, clock_off: query.has("flags") },
    });
  },
  recordResolve: (record) => {
    const found = records.find((r) => r.row.id === record.id);
    if (!found) return refuse({ code: "not_found" });
    found.row = { ...found.row, state: "waiting" };
    hear({ event: "strip", data: strip() });
    return later({ compartment: record.compartment, id: record.id, number: found.row.number, saved_at_ms: Date.now(), waiting: waiting().length });
  },
  recordVoid: (record, act) => {
    const found = records.find((r) => r.row.id === record.id);
    if (!found) return refuse({ code: "not_found" });
    found.row = { ...found.row, state: act === "void" ? "voided" : "waiting" };
    hear({ event: "strip", data: strip() });
    return later({ compartment: record.compartment, id: record.id, number: found.row.number, saved_at_ms: Date.now(), waiting: waiting().length });
  },
  encounterList: (q) => {
    const text = fold(q.text);
    if (text.length < 3) return later([]);
    const met = records.filter((r) => (q.by === "plate" ? fold(r.row.plate ?? "").startsWith(text) : fold(JSON.stringify(r.data[q.by === "name" ? "persons" : "documents"] ?? "")).includes(text)));
    return later(met.slice(0, 20).map(encounterOf), 8);
  },
  syncStrip: () => later(strip()),
  syncView: () =>
    later({
      strip: strip(),
      waiting: waiting(),
      receipts: query.has("empty")
        ? []
        : [
            { compartment: "team/imt-3", held: 412, written: 412 + waiting().length, backed_up: 398, at_ms: lastHq },
            { compartment: "agency/moi/imt-3", held: 31, written: 31, backed_up: 31, at_ms: lastHq },
            { compartment: "operation/op-shamol", held: 6, written: 6, backed_up: 0, at_ms: lastHq },
          ],
      attempts: query.has("empty")
        ? []
        : [
            { at_ms: Date.now() - 4 * 60_000, trouble: "no_link", sent: 0, received: 0, refused: 0, why: [] },
            { at_ms: Date.now() - 64 * 60_000, trouble: "some_set_aside", sent: 3, received: 12, refused: 2, why: ["storage_full", "newer"] },
            { at_ms: lastHq ?? 0, trouble: null, sent: 14, received: 37, refused: 0, why: [] },
          ],
      closed: query.has("closed")
        ? [
            { compartment: "agency/moi/imt-3", why: "lease_ended" as const, may_write: true },
            { compartment: "operation/op-shamol", why: "revoked" as const, may_write: false },
            { compartment: "team/imt-7", why: "taken" as const, may_write: false },
            { compartment: "watchlist/yashil", why: "waits" as const, may_write: false },
            { compartment: "hits/yashil", why: "damaged" as const, may_write: true },
          ].filter((closed) => !settled.has(closed.compartment))
        : [],
      files_waiting: query.has("empty") ? 0 : 3,
      server: "hq.daftar.example:7443",
    }),
  syncStop: () => later(undefined),
  syncSalvage: (compartment) => {
    settled.add(compartment);
    return later({ found: 37, missing: 0 });
  },
  syncTakenSeen: (compartment) => {
    settled.add(compartment);
    hear({ event: "strip", data: strip() });
    return later(undefined);
  },
  syncNow: async () => {
    running = true;
    const total = waiting().length;
    for (let sent = 0; sent <= total; sent++) {
      hear({ event: "progress", data: { sent, to_send: total, received: sent * 3, bytes_up: sent * 2_900, bytes_down: sent * 4_100 } });
      hear({ event: "strip", data: strip() });
      await later(undefined, 180);
    }
    running = false;
    trouble = null;
    lastHq = Date.now();
    for (const r of records) if (r.row.state === "waiting") r.row = { ...r.row, state: "at_hq" };
    return strip();
  },
  settingsGet: () => later(settings),
  settingsPut: (s) => {
    settings = s;
    return later(undefined);
  },
};
