// A record's values in words, in the chosen language. Unknown fields and codes stand as they are; nothing is left out.
import { dateTime, day } from "../i18n/dates.svelte.ts";
import { code, fieldName, number, t } from "../i18n/index.svelte.ts";
import type { Key } from "../i18n/types.ts";
import { grouped } from "./plate.ts";
import { RISK_CODES } from "./risk.ts";
import { PAGES, SPOKEN_CODES, type Shape, nameOf, shapeOf } from "./schema.ts";

type Data = { readonly [field: string]: unknown };

export interface Line {
  path: string;
  label: string;
  text: string;
  /** Not known, none: said, but not a value. */
  faint: boolean;
}

export interface Block {
  /** Of an element in a list: "Person 2". */
  heading?: string;
  lines: Line[];
}

export interface Chapter {
  title: string;
  blocks: Block[];
}

const isData = (v: unknown): v is Data => typeof v === "object" && v !== null && !Array.isArray(v);
const isElements = (v: unknown): v is Data[] => Array.isArray(v) && v.length > 0 && v.every((e) => isData(e) && "key" in e);

/** How an element of a list is called. */
function heading(list: string, at: number): string {
  const n = at + 1;
  if (list === "persons") return t("persons.one", { n });
  if (list === "documents") return t("documents.one", { n });
  if (list === "cargo") return t("cargo.one", { n });
  if (list === "observations") return t("note.observation", { n });
  if (list === "subjects") return t("note.subject", { n });
  return t("record.element", { what: fieldName(list), n: String(n) });
}

export class Describer {
  readonly #name: (code: string) => string;
  readonly #offset: number;
  readonly #data: Data;

  /** `name` gives an officer's name for his code. */
  constructor(data: Data, name: (code: string) => string) {
    this.#data = data;
    this.#name = name;
    const offset = data["utc_offset_minutes"];
    this.#offset = typeof offset === "number" ? offset : 300;
  }

  /** A value in words. */
  value(path: string, value: unknown): { text: string; faint: boolean } {
    if (value === undefined) return { text: t("record.not_asked"), faint: true };
    if (value === null) return { text: t("record.not_known"), faint: true };
    if (Array.isArray(value) && value.length === 0) return { text: t("record.none"), faint: true };
    if (value === "") return { text: "—", faint: true };
    if (path.endsWith(".holder")) return { text: this.#holder(value), faint: false };
    if (Array.isArray(value)) return { text: value.map((v) => this.value(path, v).text).join(", "), faint: false };
    return { text: this.#plain(shapeOf(path), value, path), faint: false };
  }

  #holder(key: unknown): string {
    const persons = this.#data["persons"];
    // A person who was added by the same correction is named `new1001` there, and has the key `change:1001` afterwards.
    const added = typeof key === "string" && key.startsWith("new") ? `:${key.slice(3)}` : "";
    const is = (p: Data): boolean => p["key"] === key || `new${String(p["key"])}` === key || (added !== "" && String(p["key"]).endsWith(added));
    const at = isElements(persons) ? persons.findIndex(is) : -1;
    const person = isElements(persons) ? persons[at] : undefined;
    return [person?.["family_name"], person?.["given_name"]].filter(Boolean).join(" ") || (at >= 0 ? t("persons.one", { n: at + 1 }) : String(key));
  }

  #plain(shape: Shape, value: unknown, path: string): string {
    if (shape === "place" && isData(value)) {
      const at = (k: string): string => String(value[k] ?? "?");
      const where =
        value["accuracy_m"] == null
          ? `${at("latitude")}, ${at("longitude")}`
          : t("value.place", { latitude: at("latitude"), longitude: at("longitude"), accuracy: at("accuracy_m") });
      return value["method"] == null ? where : `${where} (${code("place_method", at("method"))})`;
    }
    if (isData(value)) return JSON.stringify(value);
    const text = String(value);
    if (shape.startsWith("code:")) {
      const words = code(shape.slice(5), text);
      return SPOKEN_CODES.has(nameOf(path)) && words !== text ? `${text} · ${words}` : words;
    }
    switch (shape) {
      case "plate":
        return grouped(text);
      case "time":
        return dateTime(Date.parse(text), this.#offset);
      case "day":
        return day(text);
      case "kg":
        return t("value.kg", { n: number(Number(value)) });
      case "mg":
        return t("value.g", { n: number(Number(value) / 1000) });
      case "count":
        return number(Number(value));
      case "officer":
        return this.#name(text);
      case "team":
        return text.toUpperCase();
      case "yes_no":
        return value === true ? t("value.yes") : t("value.no");
      default:
        return text;
    }
  }

  line(path: string, value: unknown): Line {
    return { path, label: fieldName(nameOf(path)), ...this.value(path, value) };
  }

  #blocks(field: string): Block[] {
    const value = this.#data[field];
    if (field === "officers" && isElements(value)) {
      return [{ lines: value.map((e) => ({ path: `officers.${String(e["key"])}`, label: this.#name(String(e["officer"])), text: code("crew_role", String(e["role"])), faint: false })) }];
    }
    if (field === "risk_indicators" && isData(value)) return this.#risk(value);
    if (isElements(value)) {
      return value.map((element, at) => ({
        heading: heading(field, at),
        lines: Object.keys(element)
          .filter((k) => k !== "key")
          .map((k) => this.line(`${field}.${String(element["key"])}.${k}`, element[k])),
      }));
    }
    if (isData(value) && shapeOf(field) !== "place") return [{ lines: Object.keys(value).map((k) => this.line(`${field}.${k}`, value[k])) }];
    return [{ lines: [this.line(field, value)] }];
  }

  /** What was seen first, then what was not; the known order, then codes of a newer version. */
  #risk(answers: Data): Block[] {
    const order: readonly string[] = RISK_CODES;
    const codes = Object.keys(answers).sort((a, b) => order.indexOf(a) - order.indexOf(b));
    const sorted = [...codes.filter((c) => answers[c] === "seen"), ...codes.filter((c) => answers[c] !== "seen")];
    if (sorted.length === 0) return [];
    return [{ lines: sorted.map((c) => ({ path: `risk_indicators.${c}`, label: code("risk", c), text: code("risk_answer", String(answers[c])), faint: answers[c] !== "seen" })) }];
  }

  /** The page of a record: its kind's chapters, then what no chapter names. Fields that were not asked are left to the forms. */
  chapters(kind: string): Chapter[] {
    const pages = PAGES[kind] ?? [];
    const named = new Set(pages.flatMap((p) => p.fields).concat("number", "utc_offset_minutes", "files"));
    const rest = Object.keys(this.#data).filter((f) => !named.has(f) && shapeOf(f) !== "link");
    const all = pages.map((p) => ({ title: t(p.title as Key & "field.team"), fields: p.fields }));
    if (rest.length > 0) all.push({ title: t("field.description"), fields: rest });
    return all
      .map(({ title, fields }) => ({ title, blocks: merge(fields.filter((f) => this.#data[f] !== undefined).map((f) => this.#blocks(f))) }))
      .filter((c) => c.blocks.some((b) => b.lines.length > 0));
  }
}

/** Lines without a heading that follow each other stand in one block. */
function merge(groups: readonly Block[][]): Block[] {
  const out: Block[] = [];
  for (const block of groups.flat()) {
    const last = out.at(-1);
    if (last && last.heading === undefined && block.heading === undefined) last.lines.push(...block.lines);
    else out.push({ ...block, lines: [...block.lines] });
  }
  return out;
}
