// The four catalogues are whole: same keys, same parameters, every code has words, no English left where words must be.
import { describe, expect, it } from "vitest";
import { CATALOGUES, LANGUAGES, say } from "../i18n/index.svelte.ts";
import type { Key } from "../i18n/types.ts";
import * as codes from "../record/codes.ts";
import { RISK_CODES } from "../record/risk.ts";

const others = LANGUAGES.map((l) => l.code).filter((l) => l !== "en");
const english = CATALOGUES.en;
const keys = Object.keys(english) as Key[];

type Message = string | { readonly [form: string]: string };
const texts = (m: Message): string[] => (typeof m === "string" ? [m] : Object.values(m));
const params = (m: Message): string[] => [...new Set(texts(m).flatMap((s) => [...s.matchAll(/\{(\w+)\}/g)].map((x) => x[1] ?? "")))].sort();

/** Names and codes that are the same in every language. */
const SAME = new Set<string>(["app.name", "settings.sample", "error.field_invalid", "form.answered", "record.element", "value.kg", "value.g", "value.place", "value.kb", "value.mb", "code.grading_scheme.admiralty_6x6"]);
/** International words that Uzbek in Latin letters writes as English does. */
const SAME_UZ_LATN = new Set<string>(["field.post", "field.transport", "code.drug.Tramadol", "code.drug.Pregabalin"]);
/** Latin words that may stand in a Cyrillic text. */
const LATIN_IN_CYRILLIC = /Daftar|GPS|ID|imt-3-scc-4|Admiralty|Qo‘qon|\bA\b|\bBC\b|\{\w+\}/g;

describe.each(others)("the catalogue in %s", (language) => {
  const catalogue = CATALOGUES[language];

  it("has the same keys as the English one", () => {
    expect(Object.keys(catalogue).sort()).toEqual([...keys].sort());
  });

  it("has the same parameters in every message", () => {
    for (const key of keys) {
      const [mine, its] = [params(catalogue[key]), params(english[key])];
      // A plain message may leave the count's own place out: "to‘xtatish" beside the figure.
      expect(mine, key).toEqual(its);
    }
  });

  it("has words of its own in every message", () => {
    for (const key of keys) {
      if (SAME.has(key) || key.startsWith("code.post.") || key.startsWith("code.operation.")) continue;
      if (language === "uz-Latn" && (SAME_UZ_LATN.has(key) || key.startsWith("code.country."))) continue;
      for (const text of texts(catalogue[key])) {
        expect(text.trim(), key).not.toBe("");
        for (const theirs of texts(english[key])) expect(text, key).not.toBe(theirs);
      }
    }
  });
});

describe.each(["ru", "uz-Cyrl"] as const)("the Cyrillic catalogue in %s", (language) => {
  it("holds no Latin letters but names", () => {
    for (const key of keys) {
      for (const text of texts(CATALOGUES[language][key])) expect(text.replace(LATIN_IN_CYRILLIC, ""), key).not.toMatch(/[A-Za-z]{2,}/);
    }
  });
});

describe("codes", () => {
  const LISTS: readonly [string, readonly (string | number)[]][] = [
    ["direction", codes.DIRECTIONS],
    ["vehicle_kind", codes.VEHICLE_KINDS],
    ["colour", codes.COLOURS],
    ["selection_reason", codes.SELECTION_REASONS],
    ["search_level", codes.SEARCH_LEVELS],
    ["zone", codes.ZONES],
    ["method", codes.METHODS],
    ["result", codes.RESULTS],
    ["person_role", codes.PERSON_ROLES],
    ["sex", codes.SEXES],
    ["document_type", codes.DOCUMENT_TYPES],
    ["authenticity", codes.AUTHENTICITIES],
    ["country", codes.COUNTRIES],
    ["handling", codes.HANDLINGS],
    ["source_grade", codes.SOURCE_GRADES],
    ["information_grade", codes.INFORMATION_GRADES],
    ["subject_kind", codes.SUBJECT_KINDS],
    ["action_requested", codes.ACTIONS_REQUESTED],
    ["record_kind", codes.RECORD_KINDS],
    ["risk", RISK_CODES],
  ];

  it("that the forms offer have words", () => {
    for (const [list, values] of LISTS) for (const value of values) expect(keys, `${list}.${value}`).toContain(`code.${list}.${value}`);
  });
});

describe("counting", () => {
  it("takes the Russian form that the number asks for", () => {
    const waiting = (n: number): string => say("ru", "sync.waiting", { n });
    expect(waiting(1)).toBe("1 запись ждёт");
    expect(waiting(3)).toBe("3 записи ждут");
    expect(waiting(11)).toBe("11 записей ждут");
    expect(waiting(21)).toBe("21 запись ждёт");
  });

  it("groups digits and leaves a record's number alone", () => {
    expect(say("en", "sync.waiting", { n: 1234 })).toBe("1,234 records wait");
    expect(say("en", "toast.saved_number", { number: "IMT-3-2026-200001" })).toBe("Saved: IMT-3-2026-200001");
  });
});
