// The officers of the sample team. Invented; not shipped.
import type { OfficerCard } from "../generated/OfficerCard.ts";

const NAMES: readonly [string, string][] = [
  ["imt-3-moi-1", "Rahimov Sanjar"],
  ["imt-3-moi-2", "Qodirova Nigora"],
  ["imt-3-moi-3", "Жумабоев Ғайрат"],
  ["imt-3-scc-1", "O‘rinov Ulug‘bek"],
  ["imt-3-scc-2", "Каримова Дильноза"],
  ["imt-3-scc-3", "To‘rayev Jahongir"],
  ["imt-3-sss-1", "Ismoilov Farrux"],
  ["imt-3-sss-2", "Хўжаев Шуҳрат"],
  ["imt-3-sss-3", "Mirzayev Temur"],
];

export const PEOPLE: OfficerCard[] = NAMES.map(([code, name], i) => ({
  id: String(i + 1).padStart(32, "0"),
  code,
  name,
  agency: code.split("-")[2] ?? "",
  team: "imt-3",
  role: i === 0 ? "leader" : "officer",
}));

/** Those who have a PIN on this device. */
export const ENROLLED = PEOPLE.filter((p) => ["imt-3-moi-1", "imt-3-scc-1", "imt-3-sss-2", "imt-3-scc-2"].includes(p.code));
