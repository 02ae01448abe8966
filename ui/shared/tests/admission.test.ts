// The form of an admission: what it offers, and that it is whole before it is sent.
import { describe, expect, it } from "vitest";
import { isReady, openable, tidyCode, usual } from "../record/admission.ts";

const open = ["team/imt-3", "agency/moi/imt-3", "agency/scc/imt-3", "audit/moi", "watchlist/green"];
const options = { may_admit: true, compartments: open, hours_max: 72, pin_chars_min: 8 };
const input = { code: "imt-3-scc-4", name: "Karimov", agency: "scc", compartments: ["team/imt-3", "agency/scc/imt-3"], hours: 24, pin: "48151623" };

describe("an admission", () => {
  it("offers no other agency's notes, and proposes no watch-list", () => {
    expect(openable(open, "scc")).toEqual(["team/imt-3", "agency/scc/imt-3", "watchlist/green"]);
    expect(usual(openable(open, "scc"))).toEqual(["team/imt-3", "agency/scc/imt-3"]);
  });

  it("is sent only whole: a name, something opened that may be, hours within the limit, the PIN typed twice alike", () => {
    expect(isReady(input, input.pin, options)).toBe(true);
    expect(isReady(input, "4815162", options)).toBe(false);
    for (const bad of [{ name: "" }, { code: "" }, { compartments: [] }, { compartments: ["agency/moi/imt-3"] }, { hours: 73 }, { hours: 0 }, { hours: Number.NaN }, { agency: "" }]) {
      expect(isReady({ ...input, ...bad }, input.pin, options), JSON.stringify(bad)).toBe(false);
    }
  });

  it("writes a code as headquarters does", () => {
    expect(tidyCode(" IMT-3-SCC-4 ")).toBe("imt-3-scc-4");
  });
});
