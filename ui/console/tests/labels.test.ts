// Every field that a record can have is called by a name in four languages; paths, codes and rows read as people say them.
import { expect, test } from "vitest";
import type { RecordRow } from "@daftar/shared/generated/console/RecordRow.ts";
import { fieldName, speak } from "@daftar/shared/i18n/index.svelte.ts";
import { Describer } from "@daftar/shared/record/describe.svelte.ts";
import { chapters, codeName, fullLabel, pathLabel, valueText } from "../src/describe.svelte.ts";
import { CODES, FIELDS, LABEL_LANGUAGES } from "../src/labels.ts";
import { detail, title } from "../src/row.ts";

const CORE = import.meta.glob<string>("../../../crates/core/src/record/*.rs", { query: "?raw", import: "default", eager: true });
const KINDS = ["inspection", "seizure", "exhibit", "custody_event", "surveillance_note"];
/** Names that stay as they are on paper. */
const ON_PAPER = /VIN|CMR|TIR/;

test("every field of the records that officers write has a name", () => {
  speak("en");
  for (const kind of KINDS) {
    const source = CORE[`../../../crates/core/src/record/${kind}.rs`] ?? "";
    const names = [...source.matchAll(/f\(\s*\d+,\s*"([a-z_0-9.]+)"/g)].map((m) => m[1]?.split(".").at(-1) ?? "");
    expect(names.length, kind).toBeGreaterThan(5);
    for (const name of names) expect(fieldName(name) !== name || FIELDS[name] !== undefined, `${kind}.${name}`).toBe(true);
  }
});

test("names and codes are written in each language’s own letters", () => {
  for (const [name, words] of [...Object.entries(FIELDS), ...Object.entries(CODES)]) {
    expect(words.length).toBe(LABEL_LANGUAGES.length);
    const [uzLatn, uzCyrl, ru, en] = words;
    for (const latin of [uzLatn, en]) expect(latin, name).toMatch(/^[^А-яЎўҚқҒғҲҳЁё]+$/);
    for (const cyrillic of [uzCyrl, ru]) if (!ON_PAPER.test(cyrillic)) expect(cyrillic, name).toMatch(/^[^A-Za-z]+$/);
  }
});

test("a path is called by its element and its field", () => {
  speak("en");
  expect(fullLabel("vehicle.colour")).toBe("Colour");
  expect(fullLabel("persons.2.phone")).toBe("Persons 2 · Phone");
  expect(fullLabel(`persons.${"ab".repeat(32)}:1.phone`)).toBe("Persons · Phone");
  expect(fullLabel("persons.2")).toBe("Persons 2");
  expect(pathLabel("risk_indicators.masking_smell")).toBe("Masking smell");
  expect(pathLabel("#9001")).toBe("#9001");
});

test("what only headquarters shows is in words too, and the unknown stands as it is", () => {
  speak("ru");
  expect(codeName("colour", "brown")).toBe("Коричневый");
  expect(codeName("colour", "ultraviolet")).toBe("ultraviolet");
  const operation = new Describer({ active: true, code_name: "Shamol", teams: ["imt-3", "imt-4"], compartment: "operation/op-shamol" }, (h) => h);
  const lines = chapters(operation, "joint_operation").flatMap((c) => c.blocks).flatMap((b) => b.lines);
  expect(Object.fromEntries(lines.map((l) => [l.label, l.text]))).toMatchObject({ Действует: "Да", "Кодовое название": "Shamol", Группы: "IMT-3, IMT-4" });
  const stop = new Describer({}, (h) => h);
  expect(valueText(stop, "vehicle.colour", "brown")).toBe("Коричневый");
  expect(valueText(stop, "vehicle.colour", undefined)).toBe("не спрашивали");
  expect(valueText(stop, "vehicle.colour", null)).toBe("неизвестно");
});

test("a row is titled by what people look for", () => {
  speak("en");
  const row = { kind: "inspection", plate: "01 A 123 BC", person: null, headline: "Chevrolet Cobalt", detail: "nothing" } as RecordRow;
  expect([title(row), detail(row)]).toEqual(["Chevrolet Cobalt", "Nothing found"]);
  expect(title({ ...row, person: "Yusupov Aziz" })).toBe("Yusupov Aziz");
  expect(title({ ...row, kind: "exhibit", plate: null, headline: "Cannabis herb 2" })).toBe("Cannabis herb № 2");
  expect(detail({ ...row, kind: "surveillance_note", detail: "H2" })).toMatch(/^H2 · /);
});
