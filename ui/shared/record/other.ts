// How a value that nobody wrote yet is typed for a field in conflict: by the field's shape. Knows no record.
import { CATALOGUES } from "../i18n/index.svelte.ts";
import { type Shape, shapeOf } from "./schema.ts";

export type Typed =
  | { by: "text"; long: boolean }
  | { by: "number" }
  | { by: "day" }
  | { by: "time" }
  | { by: "yes_no" }
  | { by: "codes"; list: string; options: string[]; many: boolean };

const LONG = new Set(["remarks", "text", "description"]);
/** Numbers that the field stores as numbers. */
const NUMBERS: ReadonlySet<Shape> = new Set<Shape>(["kg", "mg", "count", "year"]);

function optionsOf(list: string): string[] {
  const head = `code.${list}.`;
  return Object.keys(CATALOGUES.en)
    .filter((key) => key.startsWith(head))
    .map((key) => key.slice(head.length));
}

/** Undefined: nothing can be typed for it here, one of the values has to do. */
export function typedBy(path: string, written: readonly unknown[]): Typed | undefined {
  const shape = shapeOf(path);
  const sample = written.find((v) => v !== null && v !== undefined);
  if (path.endsWith(".removed") || shape === "place" || shape === "link" || shape === "officer") return undefined;
  if (shape.startsWith("code:")) {
    const list = shape.slice(5);
    const options = optionsOf(list);
    return options.length === 0 ? undefined : { by: "codes", list, options, many: Array.isArray(sample) };
  }
  if (typeof sample === "object") return undefined;
  if (NUMBERS.has(shape) || typeof sample === "number") return { by: "number" };
  if (shape === "day") return { by: "day" };
  if (shape === "time") return { by: "time" };
  if (shape === "yes_no" || typeof sample === "boolean") return { by: "yes_no" };
  return { by: "text", long: LONG.has(path.split(".").at(-1) ?? "") };
}

/** What was typed, as the field stores it; undefined as long as it is no value. */
export function valueOf(typed: Typed, raw: unknown, written: readonly unknown[]): unknown {
  if (raw === undefined || raw === null) return raw;
  switch (typed.by) {
    case "number": {
      const n = Number(String(raw).replace(",", ".").replace(/\s/g, ""));
      return String(raw).trim() !== "" && Number.isFinite(n) ? n : undefined;
    }
    case "yes_no":
      return raw === "yes";
    case "codes":
      // Codes that are numbers stay numbers.
      return !typed.many && written.some((v) => typeof v === "number") ? Number(raw) : raw;
    case "text":
      return String(raw).trim() === "" ? undefined : raw;
    case "day":
    case "time":
      return raw;
  }
}
