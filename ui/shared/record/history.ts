// What an act changed, as the history tells it: fields one by one, a file as one thing. Holds no words.
import type { FieldChange } from "../generated/FieldChange.ts";

export interface FileChange {
  key: string;
  name?: string;
  removed: boolean;
}

/** A file's digits, size and type are nothing for people: it is said that it came or went, and what it is called. */
export function historyOf(changed: readonly FieldChange[]): { files: FileChange[]; fields: FieldChange[] } {
  const files = new Map<string, FileChange>();
  const fields: FieldChange[] = [];
  for (const change of changed) {
    const [list, key = "", field] = change.path.split(".");
    if (list !== "files" || field === undefined) {
      fields.push(change);
      continue;
    }
    const file = files.get(key) ?? { key, removed: false };
    const named = field === "caption" || (field === "name" && file.name === undefined);
    if (named && typeof change.after === "string") file.name = change.after;
    if (field === "removed" && change.after === true) file.removed = true;
    files.set(key, file);
  }
  return { files: [...files.values()], fields };
}
