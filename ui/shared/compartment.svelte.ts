// A compartment's name in words. Never says who may read it: that is the engine's.
import { code, t } from "./i18n/index.svelte.ts";

export function compartmentName(name: string): string {
  const [head = "", a = "", b = ""] = name.split("/");
  switch (head) {
    case "team":
      return `${t("field.team")} ${a.toUpperCase()}`;
    case "agency":
      return `${code("agency_short", a)} · ${b.toUpperCase()}`;
    case "operation":
      return `${t("field.operation")} ${code("operation", a)}`;
    case "reference":
      return t("compartment.reference");
    case "watchlist":
      return t("compartment.watchlist", { name: a });
    case "hits":
      return t("compartment.hits", { name: a });
    case "audit":
      return t("compartment.audit", { agency: code("agency_short", a) });
    default:
      return name;
  }
}

/** Who reads what is saved there, in a sentence. */
export function readers(name: string): string {
  if (name.startsWith("agency/")) return t("note.readers_agency");
  if (name.startsWith("operation/")) return t("note.readers_operation");
  return t("note.readers_team");
}
