// An officer's decision between values that were written apart. Whole or nothing: every field in conflict has its answer.
import type { ConflictChoice } from "../generated/ConflictChoice.ts";
import type { ConflictView } from "../generated/ConflictView.ts";

export type Pick = { take: "written"; change: string } | { take: "other"; value: unknown };

/** The choices for all conflicts; undefined as long as one is open or what was picked is no longer among the values. */
export function decisionOf(conflicts: readonly ConflictView[], picks: { readonly [path: string]: Pick }): ConflictChoice[] | undefined {
  const out: ConflictChoice[] = [];
  for (const { path, versions } of conflicts) {
    const pick = picks[path];
    if (pick === undefined) return undefined;
    if (pick.take === "other") {
      if (pick.value === undefined) return undefined;
      out.push({ take: "other", path, value: pick.value });
    } else {
      if (!versions.some((v) => v.change === pick.change)) return undefined;
      out.push({ take: "written", path, change: pick.change });
    }
  }
  return out.length > 0 ? out : undefined;
}
