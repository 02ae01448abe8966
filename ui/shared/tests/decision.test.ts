// Decisions between values written apart: whole, current, and of the field's own sort. And what a record must be flagged for.
import { describe, expect, it } from "vitest";
import type { HistoryEntry } from "../generated/HistoryEntry.ts";
import type { RecordView } from "../generated/RecordView.ts";
import { decisionOf } from "../record/decision.ts";
import { flagsOf } from "../record/flags.ts";
import { typedBy, valueOf } from "../record/other.ts";

const version = (change: string, value: unknown) => ({ change, author: "o", at_ms: 1, value });
const conflicts = [
  { path: "vehicle.colour", versions: [version("a", "grey"), version("b", "silver")] },
  { path: "vehicle.plate", versions: [version("c", "01 A 771 BC"), version("d", "01 A 177 BC")] },
];

describe("a decision", () => {
  it("is made only when every field in conflict has its answer", () => {
    expect(decisionOf(conflicts, { "vehicle.colour": { take: "written", change: "a" } })).toBeUndefined();
    expect(decisionOf(conflicts, { "vehicle.colour": { take: "written", change: "a" }, "vehicle.plate": { take: "other", value: undefined } })).toBeUndefined();
    expect(decisionOf(conflicts, { "vehicle.colour": { take: "written", change: "b" }, "vehicle.plate": { take: "other", value: null } })).toEqual([
      { take: "written", path: "vehicle.colour", change: "b" },
      { take: "other", path: "vehicle.plate", value: null },
    ]);
  });

  it("does not stand on a value that went while the officer looked", () => {
    expect(decisionOf(conflicts, { "vehicle.colour": { take: "written", change: "gone" }, "vehicle.plate": { take: "written", change: "c" } })).toBeUndefined();
    expect(decisionOf([], {})).toBeUndefined();
  });
});

describe("another value", () => {
  it("is typed as the field is: a code from its list, a number as a number, a place not at all", () => {
    expect(typedBy("vehicle.colour", ["grey"])).toMatchObject({ by: "codes", list: "colour", many: false });
    expect(typedBy("zones", [["boot"]])).toMatchObject({ by: "codes", many: true });
    expect(typedBy("vehicle.year", [2011])).toEqual({ by: "number" });
    expect(typedBy("persons.1.date_of_birth", ["1990-01-01"])).toEqual({ by: "day" });
    expect(typedBy("remarks", ["a", "b"])).toEqual({ by: "text", long: true });
    expect(typedBy("place", [{ latitude: 1 }])).toBeUndefined();
    expect(typedBy("persons.1.removed", [true])).toBeUndefined();
  });

  it("is no value before it is one of the field's sort", () => {
    const number = { by: "number" } as const;
    expect(valueOf(number, "12,5", [])).toBe(12.5);
    expect(valueOf(number, "12 kg", [])).toBeUndefined();
    expect(valueOf(number, "  ", [])).toBeUndefined();
    expect(valueOf({ by: "text", long: false }, "   ", [])).toBeUndefined();
    expect(valueOf({ by: "text", long: false }, null, [])).toBeNull();
    expect(valueOf({ by: "yes_no" }, "no", [])).toBe(false);
    expect(valueOf({ by: "codes", list: "information_grade", options: [], many: false }, "3", [2, 4])).toBe(3);
  });
});

describe("flags", () => {
  const view = (change: Partial<RecordView>, state = "at_hq"): RecordView =>
    ({ row: { state }, history: [], flags: { earlier_missing: false, revived: false, revived_elements: 0, clock_off: false }, ...change }) as unknown as RecordView;
  const entry = (verdict: string, reason: string): HistoryEntry => ({ ruling: { verdict, reason } }) as HistoryEntry;

  it("are none where all is well, and name each thing that is not", () => {
    expect(flagsOf(view({}))).toEqual([]);
    const flags = flagsOf(view({ flags: { earlier_missing: true, revived: true, revived_elements: 2, clock_off: true } }, "voided"));
    expect(flags.map((f) => f.name)).toEqual(["revived", "earlier_missing", "revived_elements", "voided", "clock_off"]);
  });

  it("say why headquarters ruled as it did, the gravest first", () => {
    const flags = flagsOf(view({ history: [entry("review", "after_revoke"), entry("quarantined", "undecodable"), entry("accepted", "")] }));
    expect(flags).toEqual([
      { name: "quarantined", tone: "bad", reason: "undecodable" },
      { name: "in_review", tone: "warn", reason: "after_revoke" },
    ]);
  });
});
