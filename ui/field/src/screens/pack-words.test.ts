// What a screen says of packs: nothing is called sent before headquarters has signed for it.
import type { PackRead } from "@daftar/shared/generated/PackRead.ts";
import { say, speak } from "@daftar/shared/i18n/index.svelte.ts";
import { beforeAll, describe, expect, it } from "vitest";
import { readLines, writtenLines } from "./pack-words.svelte.ts";

const read: PackRead = { purpose: "answer", from: null, written_ms: 1_700_000_000_000, received: 2, receipted: 5, files_received: 0, files_part: 0, files_receipted: 0, refused: 0, waiting: 0, more: false };

describe("a pack", () => {
  beforeAll(() => speak("en"));

  it("that was written says how much is in it and that nothing counts as sent yet", () => {
    const lines = writtenLines({ changes: 412, files: 0, files_part: 0, files_left: 0, bytes: 1_258_291, more: false });
    expect(lines.map((l) => l.text)).toEqual(["412 changes in 1.2 MB", say("en", "pack.written_text")]);
    expect(lines.some((l) => l.tone === "good"), "a written pack is no success yet").toBe(false);
    expect(writtenLines({ changes: 9, files: 2, files_part: 0, files_left: 0, bytes: 2_000, more: true }).at(-1)).toEqual({ text: say("en", "pack.more_to_write"), tone: "warn" });
  });

  it("that takes photos along says how many, of how many a part, and how many found no room", () => {
    const lines = writtenLines({ changes: 9, files: 2, files_part: 1, files_left: 3, bytes: 2_000, more: false });
    expect(lines[0]?.text).toContain("and 2 photos and files");
    expect(lines.slice(-2)).toEqual([
      { text: "1 photo or file goes in part. The next pack goes on there.", tone: "warn" },
      { text: say("en", "pack.files_left", { n: 3 }), tone: "warn" },
    ]);
    const came = readLines({ ...read, files_receipted: 4, files_received: 1, files_part: 2 });
    expect(came).toContainEqual({ text: "Headquarters has 4 photos and files", tone: "good" });
    expect(came).toContainEqual({ text: "1 photo or file came", tone: "plain" });
    expect(came).toContainEqual({ text: "2 photos and files came in part", tone: "plain" });
  });

  it("that was read says what headquarters confirmed, what still waits and what was not taken", () => {
    expect(readLines(read).at(-1)).toEqual({ text: say("en", "pack.none_wait"), tone: "good" });
    const tones = readLines({ ...read, receipted: 0, waiting: 3, refused: 2, more: true }).map((l) => l.tone);
    expect(tones).toEqual(["head", "plain", "plain", "warn", "warn"]);
    expect(readLines({ ...read, purpose: "gift", from: "IMT-3 · 2" })[0]?.text).toContain("IMT-3 · 2");
  });
});
