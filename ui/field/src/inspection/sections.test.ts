// The counts beside the sections.
import { describe, expect, it } from "vitest";
import { answered } from "./sections.ts";

describe("a section's count", () => {
  it("takes not known and none for answers, and what was not asked for none", () => {
    expect(answered({ search_level: "partial", zones: [], methods: null }, "search")).toEqual({ n: 3, total: 3 });
    expect(answered({}, "search")).toEqual({ n: 0, total: 3 });
    expect(answered({ vehicle: { plate: "01A123BC", colour: null } }, "vehicle")).toEqual({ n: 2, total: 8 });
    expect(answered({ result: "nothing", remarks: "" }, "result")).toEqual({ n: 1, total: 2 });
  });
});
