// How each field of a record is shown: which sections a kind has, what a field's value is. Knows no words and no values.

export type Shape =
  | "text"
  | "plate"
  | "time"
  | "day"
  | "kg"
  | "mg"
  | "count"
  | "year"
  | "officer"
  | "place"
  | "yes_no"
  | "link"
  | "team"
  | `code:${string}`;

/** By full path with keys left out, else by the last step; a field that is not here is shown as text. */
const SHAPES: { readonly [path: string]: Shape } = {
  "vehicle.kind": "code:vehicle_kind",
  "subjects.kind": "code:subject_kind",
  "officers.role": "code:crew_role",
  "persons.role": "code:person_role",
  "officers.officer": "officer",
  plate: "plate",
  trailer_plate: "plate",
  plate_country: "code:country",
  nationality: "code:country",
  issuer: "code:country",
  origin: "code:country",
  destination: "code:country",
  producing_country: "code:country",
  departure_country: "code:country",
  destination_country: "code:country",
  colour: "code:colour",
  year: "year",
  team: "team",
  post: "code:post",
  agency: "code:agency",
  lead_agency: "code:agency",
  occurred_from: "time",
  occurred_to: "time",
  occurred_at: "time",
  at: "time",
  place: "place",
  direction: "code:direction",
  routing: "code:direction",
  selection_reason: "code:selection_reason",
  search_level: "code:search_level",
  zones: "code:zone",
  concealment_zone: "code:zone",
  methods: "code:method",
  detection_method: "code:method",
  result: "code:result",
  risk_indicators: "code:risk_answer",
  sex: "code:sex",
  date_of_birth: "day",
  expires: "day",
  review_date: "day",
  "documents.type": "code:document_type",
  authenticity: "code:authenticity",
  gross_weight_kg: "kg",
  gross_mg: "mg",
  net_mg: "mg",
  count: "count",
  packages: "count",
  handling: "code:handling",
  grading_scheme: "code:grading_scheme",
  source_grade: "code:source_grade",
  information_grade: "code:information_grade",
  action_requested: "code:action_requested",
  substance: "code:drug",
  form: "code:drug_form",
  mass_basis: "code:mass_basis",
  packaging: "code:packaging",
  reading: "code:reading",
  by: "officer",
  from_officer: "officer",
  to_officer: "officer",
  purpose: "code:purpose",
  seal_intact: "yes_no",
  concealment_type: "code:concealment_type",
  installation: "code:installation",
  transport: "code:transport",
  hiding_place: "code:hiding_place",
  inspection: "link",
  seizure: "link",
  exhibit: "link",
};

/** Names of fields that differ from their last step, so that two fields with one name can be told apart. */
const NAMES: { readonly [path: string]: string } = {
  "documents.number": "document_number",
  "tests.colour": "test_colour",
};

/** The codes that stand before their words, because officers say them. */
export const SPOKEN_CODES = new Set(["handling", "source_grade", "information_grade"]);

/** A path without the keys of its elements: `persons.1.family_name` is `persons.family_name`. */
export function bare(path: string): string {
  return path
    .split(".")
    .filter((step) => !/^(\d+|new\d+|[0-9a-f]{64}:\d+)$/.test(step))
    .join(".");
}

export function shapeOf(path: string): Shape {
  const plain = bare(path);
  if (plain.startsWith("risk_indicators")) return "code:risk_answer";
  return SHAPES[plain] ?? SHAPES[plain.split(".").at(-1) ?? ""] ?? "text";
}

/** The key under which the catalogue names the field at this path. */
export function nameOf(path: string): string {
  const plain = bare(path);
  return NAMES[plain] ?? plain.split(".").at(-1) ?? plain;
}

/** The sections of a kind's page: a title (a field's name) and the fields; a list of elements or a group stands alone. */
export const PAGES: { readonly [kind: string]: readonly { title: string; fields: readonly string[] }[] } = {
  inspection: [
    { title: "inspection.selection", fields: ["team", "post", "lead_agency", "occurred_from", "occurred_to", "place", "direction", "selection_reason"] },
    { title: "crew.title", fields: ["officers"] },
    { title: "inspection.result", fields: ["result", "remarks"] },
    { title: "inspection.vehicle", fields: ["vehicle"] },
    { title: "field.persons", fields: ["persons"] },
    { title: "field.documents", fields: ["documents"] },
    { title: "inspection.cargo", fields: ["cargo"] },
    { title: "inspection.risk", fields: ["risk_indicators"] },
    { title: "inspection.search", fields: ["search_level", "zones", "methods"] },
  ],
  surveillance_note: [
    { title: "note.handling", fields: ["handling", "agency", "team", "occurred_from", "occurred_to"] },
    { title: "note.observations", fields: ["observations"] },
    { title: "note.subjects", fields: ["subjects"] },
    { title: "note.source", fields: ["source_reference", "grading_scheme", "source_grade", "information_grade"] },
    { title: "note.action", fields: ["action_requested", "review_date"] },
  ],
  seizure: [
    { title: "code.record_kind.seizure", fields: ["occurred_at", "place", "routing", "installation", "transport", "hiding_place", "concealment_type", "concealment_zone", "detection_method", "producing_country", "departure_country", "destination_country", "legal_article", "protocol_number", "remarks"] },
    { title: "field.witnesses", fields: ["witnesses"] },
  ],
  exhibit: [
    { title: "code.record_kind.exhibit", fields: ["exhibit_number", "substance", "form", "gross_mg", "net_mg", "mass_basis", "count", "packages", "packaging", "bag_number", "seal_number", "remarks"] },
    { title: "field.tests", fields: ["tests"] },
  ],
  custody_event: [
    { title: "code.record_kind.custody_event", fields: ["purpose", "at", "from_officer", "to_officer", "seal_before", "seal_after", "seal_intact", "gross_mg"] },
  ],
};
