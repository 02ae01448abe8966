// A record's row in words: what it is, and the code that tells most of it.
import type { RecordRow } from "@daftar/shared/generated/console/RecordRow.ts";
import { code } from "@daftar/shared/i18n/index.svelte.ts";
import { w } from "./words.svelte.ts";

const DETAIL: { readonly [kind: string]: string } = {
  inspection: "result",
  surveillance_note: "handling",
  seizure: "concealment_type",
  exhibit: "drug_form",
  custody_event: "purpose",
};

export function kindName(kind: string): string {
  return kind === "joint_operation" ? w("joint_operation") : code("record_kind", kind);
}

/** What stands first in a row, beside a plate. */
export function title(row: RecordRow): string {
  if (row.person) return row.person;
  if (row.plate) return "";
  if (row.kind !== "exhibit") return row.kind === "joint_operation" && row.headline ? `${w("joint_operation")} ${row.headline}` : kindName(row.kind);
  // An exhibit's headline is its substance and its number.
  const [, substance, number] = /^(.*?)(?: (\S+))?$/.exec(row.headline) ?? [];
  const known = code("drug", row.headline);
  return known !== row.headline ? known : [code("drug", substance ?? ""), number].filter(Boolean).join(" ");
}

export function detail(row: RecordRow): string {
  if (row.detail === null) return "";
  return row.kind === "surveillance_note" ? row.detail : code(DETAIL[row.kind] ?? row.kind, row.detail);
}

/** Whether something was found. */
export function isFind(row: RecordRow): boolean {
  return row.kind === "seizure" || (row.kind === "inspection" && row.detail !== null && row.detail !== "nothing");
}
