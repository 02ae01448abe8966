// A record's fields in words at headquarters: what the shared catalogue says, and beside it the console's own names. Never hides a value.
import { compartmentName } from "@daftar/shared/compartment.svelte.ts";
import { code, fieldName, language, t } from "@daftar/shared/i18n/index.svelte.ts";
import type { Chapter, Describer, Line } from "@daftar/shared/record/describe.svelte.ts";
import { bare, nameOf, shapeOf } from "@daftar/shared/record/schema.ts";
import { CODES, FIELDS, LABEL_LANGUAGES, type Words4 } from "./labels.ts";

function inLanguage(words: Words4 | undefined): string | undefined {
  return words?.[LABEL_LANGUAGES.indexOf(language())];
}

/** The words for a code; one that nobody knows stands as it is. */
export function codeName(list: string, value: string): string {
  const known = code(list, value);
  return known === value ? (inLanguage(CODES[`${list}.${value}`]) ?? value) : known;
}

function ownName(name: string): string {
  const known = fieldName(name);
  return known === name ? (inLanguage(FIELDS[name]) ?? name) : known;
}

/** The name of the field at a path; of a risk indicator what it says. */
export function pathLabel(path: string): string {
  const plain = bare(path);
  if (plain.startsWith("risk_indicators.")) return code("risk", plain.slice("risk_indicators.".length));
  return ownName(nameOf(path));
}

/** `persons.2.phone` as "Person 2 · Phone". */
export function fullLabel(path: string): string {
  const steps = path.split(".");
  const keyed = steps.length > 2 || (steps.length === 2 && /^(\d+|[0-9a-f]{64}:\d+)$/.test(steps[1] ?? ""));
  if (!keyed || path.startsWith("risk_indicators.")) return pathLabel(path);
  const element = /^\d+$/.test(steps[1] ?? "") ? ` ${steps[1]}` : "";
  return steps.length > 2 ? `${ownName(steps[0] ?? "")}${element} · ${pathLabel(path)}` : `${ownName(steps[0] ?? "")}${element}`;
}

/** What the shared description left as it stands. */
function finished(path: string, text: string): string {
  if (text === "true" || text === "false") return t(text === "true" ? "value.yes" : "value.no");
  const name = nameOf(path);
  if (name === "compartment") return compartmentName(text);
  if (name === "teams") return text.toUpperCase();
  const shape = shapeOf(path);
  const list = shape.startsWith("code:") ? shape.slice("code:".length) : bare(path) === "type" ? "operation_type" : undefined;
  if (list !== undefined) return text.split(", ").map((one) => inLanguage(CODES[`${list}.${one}`]) ?? one).join(", ");
  if (name === "agencies" || name.endsWith("_agency")) return text.split(", ").map((one) => code("agency_short", one)).join(", ");
  return text;
}

export function valueText(describer: Describer, path: string, value: unknown): string {
  return finished(path, describer.value(path, value).text);
}

function line(one: Line): Line {
  const own = one.label === nameOf(one.path) ? ownName(one.label) : one.label;
  return { ...one, label: own, text: finished(one.path, one.text) };
}

/** A list without a name of its own is called by its field's. */
function heading(text: string | undefined): string | undefined {
  const [, name, n] = /^([a-z_0-9]+) (\d+)$/.exec(text ?? "") ?? [];
  return name === undefined ? text : `${ownName(name)} ${n ?? ""}`;
}

export function chapters(describer: Describer, kind: string): Chapter[] {
  return describer.chapters(kind).map((chapter) => ({
    title: chapter.title,
    blocks: chapter.blocks.map((block) => {
      const named = heading(block.heading);
      return { lines: block.lines.map(line), ...(named === undefined ? {} : { heading: named }) };
    }),
  }));
}
