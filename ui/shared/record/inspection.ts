// The data of an inspection as the form holds it. A field that is absent was not asked, null is not known, [] is none.
import type { DraftFile } from "./files.ts";
import type { RiskAnswers } from "./risk.ts";

/** Not asked, not known, or the answer. */
export type Answer<T> = T | null | undefined;

export interface Place {
  latitude: number;
  longitude: number;
  accuracy_m: number;
  method: string;
}

/** Names an element of a list for ever: a number that the form gave, or a text once a later change has added it. */
export type ElementKey = number | string;

export interface Crew {
  key: ElementKey;
  officer: string;
  role: string;
}

export interface Vehicle {
  kind?: Answer<string>;
  plate?: Answer<string>;
  plate_country?: Answer<string>;
  trailer_plate?: Answer<string>;
  make?: Answer<string>;
  model?: Answer<string>;
  colour?: Answer<string>;
  year?: Answer<number>;
}

export interface Person {
  key: ElementKey;
  role?: Answer<string>;
  family_name?: Answer<string>;
  given_name?: Answer<string>;
  patronymic?: Answer<string>;
  sex?: Answer<string>;
  date_of_birth?: Answer<string>;
  nationality?: Answer<string>;
  phone?: Answer<string>;
}

export interface PersonDocument {
  key: ElementKey;
  holder?: Answer<ElementKey>;
  type?: Answer<string>;
  number?: Answer<string>;
  issuer?: Answer<string>;
  expires?: Answer<string>;
  authenticity?: Answer<string>;
}

export interface Cargo {
  key: ElementKey;
  declared?: Answer<string>;
  hs_code?: Answer<string>;
  gross_weight_kg?: Answer<number>;
  origin?: Answer<string>;
  destination?: Answer<string>;
}

export interface Inspection {
  team?: string;
  post?: Answer<string>;
  lead_agency?: string;
  officers?: Crew[];
  occurred_from?: string;
  occurred_to?: string;
  utc_offset_minutes?: number;
  place?: Answer<Place>;
  direction?: Answer<string>;
  selection_reason?: Answer<string>;
  risk_indicators?: RiskAnswers;
  search_level?: Answer<string>;
  zones?: Answer<string[]>;
  methods?: Answer<string[]>;
  result?: Answer<string>;
  vehicle?: Vehicle;
  persons?: Answer<Person[]>;
  documents?: Answer<PersonDocument[]>;
  cargo?: Answer<Cargo[]>;
  remarks?: string;
  files?: DraftFile[];
}

/** An amendment's new elements are numbered from here, so that none takes the key of one that stood there and was removed. */
export const AMENDED_KEYS_FROM = 1001;

/** The next free key of a keyed list. */
export function nextKey(list: readonly { key: ElementKey }[], amends: boolean): number {
  return list.reduce((max, e) => (typeof e.key === "number" ? Math.max(max, e.key) : max), amends ? AMENDED_KEYS_FROM - 1 : 0) + 1;
}

/** How another element names this one: one that the amendment itself adds has no lasting key yet. */
export function keyValue(key: ElementKey, amends: boolean): ElementKey {
  return amends && typeof key === "number" && key >= AMENDED_KEYS_FROM ? `new${key}` : key;
}

/** The fields that a saved inspection cannot do without, and that are still unanswered. Only who, when and what came of it. */
export function missing(data: Inspection): string[] {
  const out: string[] = [];
  if (!data.direction) out.push("direction");
  if (!data.result) out.push("result");
  return out;
}

/** The time now as records hold it. */
export function nowText(now = Date.now()): string {
  return new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
}
