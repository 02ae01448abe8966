// What the screens say of files: which are taken, how far each is.
import { describe, expect, it } from "vitest";
import type { FileRow } from "../generated/FileRow.ts";
import { historyOf } from "../record/history.ts";
import { draftRow, isPicture, placeOf, sortChosen } from "../record/files.ts";

const MB = 1024 * 1024;
const limits = { photo_bytes_max: 40 * MB, file_bytes_max: 2048 * MB };
const file = (name: string, size: number) => ({ name, size, type: "image/jpeg" });
const row: FileRow = { ...draftRow({ key: 1, sha256: "ab", media_type: "image/jpeg", thumbnail: "cd" }), here: false, chunks: 5, chunks_here: 0 };

describe("chosen photos", () => {
  it("are taken up to the very limit, and those beyond it and empty ones are refused by name", () => {
    const { good, refused } = sortChosen([file("fits", 40 * MB), file("over", 40 * MB + 1), file("none", 0)], limits);
    expect(good.map((f) => f.name)).toEqual(["fits"]);
    expect(refused.map((r) => [r.file.name, r.why])).toEqual([
      ["over", "too_large"],
      ["none", "empty"],
    ]);
    expect(refused[0]?.max).toBe(40 * MB);
  });
});

describe("the history", () => {
  it("tells a file as one thing with its name, and every other field by itself", () => {
    const change = (path: string, after: unknown) => ({ path, before: undefined, after });
    const key = `${"a".repeat(64)}:0`;
    const told = historyOf([change(`files.${key}.sha256`, "ab"), change(`files.${key}.name`, "IMG_1.jpg"), change(`files.${key}.size_bytes`, 3), change("vehicle.colour", "white"), change("files.2.removed", true)]);
    expect(told.files).toEqual([
      { key, name: "IMG_1.jpg", removed: false },
      { key: "2", removed: true },
    ]);
    expect(told.fields.map((f) => f.path)).toEqual(["vehicle.colour"]);
  });
});

describe("a file of a record", () => {
  it("says where its bytes are: here, asked for, in part, as a small picture, or not at all", () => {
    expect(placeOf({ ...row, here: true })).toBe("here");
    expect(placeOf({ ...row, wanted: true, chunks_here: 2 })).toBe("wanted");
    expect(placeOf({ ...row, chunks_here: 2 })).toBe("part");
    expect(placeOf(row)).toBe("thumbnail_only");
    expect(placeOf({ ...row, thumbnail: null })).toBe("not_here");
  });

  it("is shown as a picture only where the web view can", () => {
    expect(isPicture({ media_type: "image/png" })).toBe(true);
    for (const media_type of ["image/heic", "image/svg+xml", "application/pdf", "text/html", null]) expect(isPicture({ media_type }), String(media_type)).toBe(false);
  });

  it("that a draft names is on this device and not at headquarters", () => {
    expect(placeOf(draftRow({ key: 1, sha256: "ab" }))).toBe("here");
    expect(draftRow({ key: 1, sha256: "ab" }).at_hq).toBe(false);
  });
});
