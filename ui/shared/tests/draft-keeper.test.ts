// A draft reaches the disk soon after each change, in order, and never after a save.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DraftKeeper, KEEP_AGAIN_MS, KEEP_AT_LATEST_MS, type Keeping } from "../draft-keeper.ts";
import type { DraftInput } from "../generated/DraftInput.ts";

const input = (text: string): DraftInput => ({ id: "d", form: "inspection", compartment: null, data: { remarks: text } });

describe("the draft keeper", () => {
  let written: string[];
  let heard: Keeping["phase"][];
  let slow: number;
  let fails: number;
  let keeper: DraftKeeper;

  beforeEach(() => {
    vi.useFakeTimers();
    written = [];
    heard = [];
    slow = 10;
    fails = 0;
    keeper = new DraftKeeper(
      async (i) => {
        await new Promise((done) => setTimeout(done, slow));
        if (fails-- > 0) throw { code: "storage_full" };
        written.push(String(i.data["remarks"]));
        return { kept_at_ms: Date.now() };
      },
      (k) => heard.push(k.phase),
    );
  });
  afterEach(() => vi.useRealTimers());

  it("writes within 300 ms of a change, once for letters that follow each other", async () => {
    for (const text of ["a", "ab", "abc"]) {
      keeper.touch(input(text));
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(written).toEqual([]);
    await vi.advanceTimersByTimeAsync(KEEP_AT_LATEST_MS - 150 + slow);
    expect(written, "the newest state, and only it").toEqual(["abc"]);
  });

  it("does not put a writer off for ever who never pauses", async () => {
    for (let i = 0; i < 20; i++) {
      keeper.touch(input(`t${i}`));
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(written.length, "one write for about every 300 ms of typing").toBeGreaterThanOrEqual(5);
  });

  it("writes at once when a field loses the focus", async () => {
    keeper.touch(input("x"));
    const flushed = keeper.flush();
    await vi.advanceTimersByTimeAsync(slow);
    await flushed;
    expect(written).toEqual(["x"]);
  });

  it("keeps the order when the disk is slower than the fingers", async () => {
    slow = 1000;
    keeper.touch(input("first"));
    await vi.advanceTimersByTimeAsync(300);
    slow = 1;
    keeper.touch(input("second"));
    await vi.advanceTimersByTimeAsync(2000);
    expect(written).toEqual(["first", "second"]);
  });

  it("tries a write that failed again, with the newest state", async () => {
    fails = 1;
    keeper.touch(input("a"));
    await vi.advanceTimersByTimeAsync(300 + slow);
    expect(heard).toContain("failed");
    await vi.advanceTimersByTimeAsync(KEEP_AGAIN_MS + slow);
    expect(written).toEqual(["a"]);
    expect(heard.at(-1)).toBe("kept");
  });

  it("writes nothing after it was stopped, so that a saved draft does not come back", async () => {
    slow = 500;
    keeper.touch(input("a"));
    await vi.advanceTimersByTimeAsync(300);
    const stopped = keeper.stop();
    keeper.touch(input("late"));
    await vi.advanceTimersByTimeAsync(5000);
    await stopped;
    expect(written).toEqual(["a"]);
  });
});
