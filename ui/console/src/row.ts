// A record's row in words: what it is, and the code that tells most of it.
import type { RecordRow } from "@daftar/shared/generated/console/RecordRow.ts";
import { code } from "@daftar/shared/i18n/index.svelte.ts";
import { codeName } from "./describe.svelte.ts";

const DETAIL: { readonly [kind: string]: string } = {
  inspection: "result",
  surveillance_note: "handling",
  seizure: "concealment_type",
  exhibit: "drug_form",
  custody_event: "purpose",
  joint_operation: "operation_type",
};

export function kindName(kind: string): string {
  return codeName("record_kind", kind);
}

/** What stands first in a row, beside a plate. */
export function title(row: RecordRow): string {
  if (row.person) return row.person;
  if (row.plate) return row.headline;
  if (row.kind === "exhibit") {
    // An exhibit's headline is its substance and its number.
    const [, substance, number] = /^(.*?)(?: (\S+))?$/.exec(row.headline) ?? [];
    const known = code("drug", row.headline);
    return known !== row.headline ? known : [code("drug", substance ?? ""), number && `№ ${number}`].filter(Boolean).join(" ");
  }
  return row.kind === "joint_operation" && row.headline ? `${kindName(row.kind)} ${row.headline}` : kindName(row.kind);
}

export function detail(row: RecordRow): string {
  if (row.detail === null) return "";
  const words = codeName(DETAIL[row.kind] ?? row.kind, row.detail);
  return row.kind === "surveillance_note" && words !== row.detail ? `${row.detail} · ${words}` : words;
}

/** Whether something was found. */
export function isFind(row: RecordRow): boolean {
  return row.kind === "seizure" || (row.kind === "inspection" && row.detail !== null && row.detail !== "nothing");
}

/** The post's name: the catalogue's, else the one that headquarters gave it. */
export function postName(post: string | null, names: { readonly [code: string]: string | undefined }): string {
  if (post === null) return "";
  const known = code("post", post);
  return known === post ? (names[post] ?? post) : known;
}
