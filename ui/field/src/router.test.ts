// The way back.
import { describe, expect, it } from "vitest";
import { router } from "./router.svelte.ts";

const record = { compartment: "team/imt-3", id: "x" };

describe("the way back", () => {
  it("leads to the screen before, and from a tab home", () => {
    router.tabTo("records");
    router.go({ name: "record", record });
    expect(router.tab, "a record opened from the records stays under their tab").toBe("records");
    router.back();
    expect(router.screen.name).toBe("records");
    router.back();
    expect(router.screen.name).toBe("shift");
  });
});
