// What forms and pages work out of a record: score, plates, dates, what is missing, values in words.
import { beforeEach, describe, expect, it } from "vitest";
import { clock, dateTime, relative } from "../i18n/dates.svelte.ts";
import { speak } from "../i18n/index.svelte.ts";
import { readDay, readTime, tidyDate, writeDay, writeTime } from "../record/dates.ts";
import { Describer } from "../record/describe.svelte.ts";
import { keyValue, missing, nextKey } from "../record/inspection.ts";
import { missing as noteMissing } from "../record/note.ts";
import { asPlate, grouped } from "../record/plate.ts";
import { RISK_HIGH_FROM, riskScore } from "../record/risk.ts";
import { bare } from "../record/schema.ts";

beforeEach(() => speak("en"));

describe("the risk score", () => {
  it("adds up what was seen and names it, heaviest first", () => {
    const score = riskScore({ nervous_driver: "seen", dog_changes: "seen", panel_gap: "not_seen" });
    expect(score.points).toBe(25);
    expect(score.reasons).toEqual([
      { code: "dog_changes", points: 20 },
      { code: "nervous_driver", points: 5 },
    ]);
    expect(score.level).toBe("high");
    expect(score.points).toBe(RISK_HIGH_FROM);
  });

  it("tells what was not seen from what was not checked", () => {
    const score = riskScore({ panel_gap: "not_seen" });
    expect(score).toMatchObject({ points: 0, level: "low", checked: 1, total: 18, reasons: [] });
  });

  it("shows an indicator of a newer version without inventing its weight", () => {
    expect(riskScore({ drone_overhead: "seen" })).toMatchObject({ points: 0, checked: 0, reasons: [{ code: "drone_overhead", points: 0 }] });
  });
});

describe("a plate", () => {
  it("is kept in upper case with single spaces, in either script", () => {
    expect(asPlate(" 01 a 123  bc")).toBe("01 A 123 BC");
    expect(asPlate("а123вс 77")).toBe("А123ВС 77");
    expect(asPlate("kbl 12345;DROP")).toBe("KBL 12345DROP");
    expect(asPlate("x".repeat(40))).toHaveLength(16);
  });

  it("is shown with the spaces of its form where it has none", () => {
    expect(grouped("01A123BC")).toBe("01 A 123 BC");
    expect(grouped("30123ABC")).toBe("30 123 ABC");
    expect(grouped("DT 5384 AG")).toBe("DT 5384 AG");
  });
});

describe("a date that is typed", () => {
  it("needs no dots", () => {
    expect(readDay("31051987", false)).toBe("1987-05-31");
    expect(readDay("051987", true)).toBe("1987-05");
    expect(readTime("241120261405", 300)).toBe("2026-11-24T09:05:00Z");
    expect(tidyDate("31 may.05"), "letters are dropped").toBe("31 .05");
  });

  it("is read only if there is such a day", () => {
    expect(readDay("31.05.1987", false)).toBe("1987-05-31");
    expect(readDay("30.02.1987", false)).toBeUndefined();
    expect(readDay("1987", false)).toBeUndefined();
    expect(readDay("3105", true), "the beginning of 31.05. is no year").toBeUndefined();
    expect(readDay("1987", true)).toBe("1987");
    expect(readDay("05.1987", true)).toBe("1987-05");
    expect(writeDay("1987-05-31")).toBe("31.05.1987");
  });

  it("with a time is read on the clock of the place", () => {
    expect(readTime("24.11.2026 03:05", 300)).toBe("2026-11-23T22:05:00Z");
    expect(writeTime("2026-11-23T22:05:00Z", 300)).toBe("24.11.2026 03:05");
    expect(readTime("24.11.2026 25:00", 300)).toBeUndefined();
  });
});

describe("times", () => {
  const now = Date.parse("2026-11-24T09:00:00Z"); // 14:00 in Tashkent
  const ago = (minutes: number): string => relative(now - minutes * 60_000, now);

  it("are told by how long ago they were", () => {
    expect(ago(0)).toBe("just now");
    expect(ago(1)).toBe("1 minute ago");
    expect(ago(59)).toBe("59 minutes ago");
    expect(ago(3 * 60)).toBe("3 hours ago");
    expect(ago(20 * 60)).toBe("yesterday at 18:00");
    expect(ago(3 * 24 * 60)).toBe("3 days ago");
    expect(ago(-10), "a clock that is behind does not speak of the future").toBe("just now");
  });

  it("stand in the zone of the record", () => {
    expect(clock(now, 300)).toBe("14:00");
    expect(clock(now, 360)).toBe("15:00");
    speak("uz-Cyrl");
    expect(dateTime(Date.parse("2025-12-31T20:00:00Z"), 300, now)).toBe("1-январь, 01:00");
    speak("ru");
    expect(dateTime(Date.parse("2025-03-01T00:00:00Z"), 300, now)).toBe("1 марта 2025, 05:00");
  });
});

describe("what must be answered before a save", () => {
  it("is the direction and the result of an inspection, nothing more", () => {
    expect(missing({})).toEqual(["direction", "result"]);
    expect(missing({ direction: "domestic", result: "nothing" })).toEqual([]);
  });

  it("is an observation and the handling of a note, and where H3 goes", () => {
    expect(noteMissing({ observations: [{ key: 1 }] }, null)).toEqual(["handling", "observations"]);
    expect(noteMissing({ handling: "H3", observations: [{ key: 1, text: "x" }] }, null)).toEqual(["operation"]);
    expect(noteMissing({ handling: "H0", observations: [{ key: 1, text: "x" }] }, "team/imt-3")).toEqual([]);
  });
});

describe("a keyed list", () => {
  it("never gives a key twice while the greatest stands", () => {
    expect(nextKey([], false)).toBe(1);
    expect(nextKey([{ key: 1 }, { key: 7 }], false)).toBe(8);
    expect(nextKey([{ key: 2 }, { key: `${"a".repeat(64)}:1` }], false)).toBe(3);
  });

  it("never takes the key of a removed element in a correction", () => {
    expect(nextKey([{ key: 1 }], true)).toBe(1001);
    expect(nextKey([{ key: 1 }, { key: 1001 }], true)).toBe(1002);
    expect(keyValue(1001, true), "what the correction itself adds is named as new").toBe("new1001");
    expect(keyValue(2, true)).toBe(2);
  });
});

describe("a record in words", () => {
  const data = {
    team: "imt-3",
    utc_offset_minutes: 300,
    result: "nothing",
    zones: [],
    vehicle: { kind: "car", plate: "01A123BC", colour: null },
    persons: [{ key: 2, family_name: "Юсупов", given_name: "Анвар" }],
    documents: [{ key: 1, holder: 2, number: "AA1" }],
    risk_indicators: { panel_gap: "not_seen", dog_changes: "seen" },
    new_field: "from a newer version",
  };
  const describer = new Describer(data, (c) => c);
  const lines = (): Record<string, string> =>
    Object.fromEntries(describer.chapters("inspection").flatMap((c) => c.blocks.flatMap((b) => b.lines.map((l) => [l.path, l.text]))));

  it("tells none, not known and not asked apart", () => {
    expect(lines()).toMatchObject({ zones: "none", "vehicle.colour": "not known" });
    expect(lines()).not.toHaveProperty("methods");
    expect(describer.value("vehicle.make", undefined).text).toBe("not asked");
  });

  it("names a document's holder, and shows a field that this version does not know", () => {
    expect(lines()["documents.1.holder"]).toBe("Юсупов Анвар");
    expect(lines()["new_field"]).toBe("from a newer version");
  });

  it("puts the indicators that were seen first", () => {
    const risk = describer.chapters("inspection").flatMap((c) => c.blocks.flatMap((b) => b.lines)).filter((l) => l.path.startsWith("risk_indicators"));
    expect(risk.map((l) => l.path)).toEqual(["risk_indicators.dog_changes", "risk_indicators.panel_gap"]);
  });

  it("shows masses in grams and finds a field's name from any path", () => {
    expect(describer.value("gross_mg", 1_500_250).text).toBe("1,500.25 g");
    expect(bare(`persons.${"a".repeat(64)}:3.family_name`)).toBe("persons.family_name");
  });
});
