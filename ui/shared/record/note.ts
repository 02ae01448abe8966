// The data of a surveillance note as the form holds it.
import type { Answer, ElementKey, Place } from "./inspection.ts";

export interface Observation {
  key: ElementKey;
  at?: Answer<string>;
  place?: Answer<Place>;
  text?: Answer<string>;
}

export interface Subject {
  key: ElementKey;
  kind?: Answer<string>;
  plate?: Answer<string>;
  description?: Answer<string>;
}

export interface SurveillanceNote {
  team?: string;
  agency?: string;
  occurred_from?: string;
  occurred_to?: string;
  utc_offset_minutes?: number;
  source_reference?: Answer<string>;
  grading_scheme?: string;
  source_grade?: Answer<string>;
  information_grade?: Answer<number>;
  handling?: string;
  subjects?: Answer<Subject[]>;
  observations?: Observation[];
  action_requested?: Answer<string>;
  review_date?: Answer<string>;
}

/** The fields that a saved note cannot do without, and that are still unanswered. */
export function missing(data: SurveillanceNote, compartment: string | null): string[] {
  const out: string[] = [];
  if (!data.handling) out.push("handling");
  else if (compartment === null) out.push("operation");
  if (!data.observations?.some((o) => o.text)) out.push("observations");
  return out;
}
