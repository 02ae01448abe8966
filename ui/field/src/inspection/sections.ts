// The sections of an inspection and how many of their questions have an answer. Not known and none are answers too.
import type { Inspection } from "@daftar/shared/record/inspection.ts";
import { RISK_CODES } from "@daftar/shared/record/risk.ts";

export const SECTIONS = ["selection", "risk", "persons", "search", "vehicle", "cargo", "result"] as const;
export type Section = (typeof SECTIONS)[number];

function count(values: readonly unknown[]): { n: number; total: number } {
  return { n: values.filter((v) => v !== undefined && v !== "").length, total: values.length };
}

export function answered(data: Inspection, section: Section): { n: number; total: number } {
  const v = data.vehicle ?? {};
  switch (section) {
    case "selection":
      return count([data.direction, data.selection_reason]);
    case "risk":
      return { n: Object.keys(data.risk_indicators ?? {}).length, total: RISK_CODES.length };
    case "persons":
      return count([data.persons, data.documents]);
    case "search":
      return count([data.search_level, data.zones, data.methods]);
    case "vehicle":
      return count([v.plate, v.kind, v.plate_country, v.make, v.model, v.colour, v.year, v.trailer_plate]);
    case "cargo":
      return count([data.cargo]);
    case "result":
      return count([data.result, data.remarks]);
  }
}
