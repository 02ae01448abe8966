// What the form of an admission offers and when it is whole. The engine judges again, and is the one that counts.
import type { AdmitInput } from "../generated/AdmitInput.ts";
import type { AdmitOptions } from "../generated/AdmitOptions.ts";

export const AGENCIES = ["sss", "moi", "scc"] as const;
export const HOURS = [4, 8, 12, 24, 48, 72] as const;

/** Of what the leader has open, what an officer of this agency may see. */
export function openable(open: readonly string[], agency: string): string[] {
  return open.filter((c) => !/^(agency|audit)\//.test(c) || c.split("/")[1] === agency);
}

/** What is proposed: a watch-list's readers are cleared by name. */
export function usual(open: readonly string[]): string[] {
  return open.filter((c) => !c.startsWith("watchlist/"));
}

/** A code as headquarters writes it: small letters, digits, hyphens. */
export function tidyCode(raw: string): string {
  return raw.toLowerCase().replace(/[^a-z0-9_.-]/g, "");
}

export function isReady(input: AdmitInput, again: string, options: AdmitOptions): boolean {
  return (
    input.name !== "" &&
    input.code !== "" &&
    input.agency !== "" &&
    input.compartments.length > 0 &&
    input.compartments.every((c) => openable(options.compartments, input.agency).includes(c)) &&
    input.hours >= 1 &&
    input.hours <= options.hours_max &&
    input.pin !== "" &&
    input.pin === again
  );
}
