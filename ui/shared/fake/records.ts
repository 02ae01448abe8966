// Sample records out of the generated corpus, moved so that the last one is minutes old. Not shipped.
import type { Encounter } from "../generated/Encounter.ts";
import type { HistoryEntry } from "../generated/HistoryEntry.ts";
import type { RecordRow } from "../generated/RecordRow.ts";
import type { RecordState } from "../generated/RecordState.ts";
import corpus from "./corpus.json";

export type Data = Record<string, unknown>;
export interface Kept {
  row: RecordRow;
  data: Data;
}

type Any = Record<string, any>;

const time = (text: unknown): number => Date.parse(String(text));
const when = (data: Any): number => time(data["occurred_from"] ?? data["occurred_at"] ?? data["at"]);
const last = Math.max(...corpus.map((r) => when(r.data as Any)).filter((n) => !Number.isNaN(n)));
const moved = Date.now() - 9 * 60_000 - last;

function move(value: unknown): unknown {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) return new Date(time(value) + moved).toISOString().replace(/\.\d+Z$/, "Z");
  if (Array.isArray(value)) return value.map(move);
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, move(v)]));
  return value;
}

export function rowOf(kind: string, compartment: string, id: string, data: Any, state: RecordState): RecordRow {
  const person = data["persons"]?.[0];
  return {
    compartment,
    id,
    kind,
    number: data["number"] ?? data["exhibit_number"] ?? "",
    at_ms: Number.isNaN(when(data)) ? Date.now() - 40 * 60_000 : when(data),
    state,
    plate: data["vehicle"]?.plate ?? data["subjects"]?.[0]?.plate ?? null,
    vehicle_kind: data["vehicle"]?.kind ?? null,
    person: person?.family_name ? `${person.family_name} ${person.given_name}` : null,
    post: data["post"] ?? null,
    direction: data["direction"] ?? null,
    result: data["result"] ?? null,
    handling: data["handling"] ?? null,
    substance: data["substance"] ?? null,
    excerpt: (data["remarks"] || data["observations"]?.[0]?.text) ?? null,
  };
}

export const RECORDS: Kept[] = corpus
  .map((r, i) => {
    const data = move(r.data) as Any;
    const state: RecordState = i === corpus.length - 4 ? "needs_decision" : i > corpus.length - 9 ? "waiting" : "at_hq";
    return { row: rowOf(r.kind, r.compartment, r.id, data, state), data: data as Data };
  })
  .sort((a, b) => b.row.at_ms - a.row.at_ms);

export function encounterOf({ row, data }: Kept): Encounter {
  const v = (data as Any)["vehicle"];
  return {
    compartment: row.compartment,
    id: row.id,
    kind: row.kind,
    number: row.number,
    at_ms: row.at_ms,
    post: row.post,
    direction: row.direction,
    result: row.result,
    plate: row.plate,
    vehicle_kind: row.vehicle_kind,
    plate_country: v?.plate_country ?? null,
    vehicle: v?.make ? `${v.make} ${v.model}` : null,
    person: row.person,
  };
}

export function historyOf({ row, data }: Kept): HistoryEntry[] {
  const author = (data as Any)["officers"]?.[0]?.officer ?? "imt-3-moi-1";
  const base = { device: "IMT-3 · 2", here: false, clock_quality: "recent", clock_offset_ms: 0, at_hq: row.state === "at_hq", attested: true, ruling: null, reason: null };
  const created: HistoryEntry = {
    ...base,
    change: row.id.padEnd(64, "0"),
    op: "create",
    author,
    at_ms: row.at_ms + 4 * 60_000,
    changed: [],
  };
  if (row.kind !== "inspection") return [created];
  const amended: HistoryEntry = {
    ...base,
    change: row.id.padEnd(64, "1"),
    device: "IMT-3 · 1",
    here: true,
    op: "amend",
    author: "imt-3-scc-1",
    at_ms: row.at_ms + 26 * 60_000,
    clock_quality: "stale",
    clock_offset_ms: 420_000,
    attested: false,
    reason: "Rangi hujjatga qarab tuzatildi",
    changed: [
      { path: "vehicle.colour", before: "grey", after: (data as Any)["vehicle"]?.colour ?? "silver" },
      { path: "persons.1.phone", before: undefined as unknown, after: null },
    ],
  };
  return [amended, created];
}
