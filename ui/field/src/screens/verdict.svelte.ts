// Headquarters' ruling of an act in words. A verdict that this version does not know stands as it is.
import type { RulingView } from "@daftar/shared/generated/RulingView.ts";
import { t } from "@daftar/shared/i18n/index.svelte.ts";
import type { Key } from "@daftar/shared/i18n/types.ts";

const KNOWN: readonly string[] = ["accepted", "review", "quarantined", "erased"];

export function verdictText({ verdict }: RulingView): string {
  return KNOWN.includes(verdict) ? t(`verdict.${verdict}` as Key & "verdict.review") : verdict;
}
