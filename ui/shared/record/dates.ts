// Dates and times as officers type them (31.05.1987 14:05) and as records hold them. Never shows a month's name.

const two = (n: number): string => String(n).padStart(2, "0");

const YEAR_MIN = 1900;
const YEAR_MAX = 2100;

/** What is typed, without letters. The dots may be left out. */
export function tidyDate(raw: string): string {
  return raw.replace(/[^\d.,: /-]/g, "").slice(0, 17);
}

function isYear(year: number): boolean {
  return year >= YEAR_MIN && year <= YEAR_MAX;
}

function isDay(year: number, month: number, day: number): boolean {
  const d = new Date(Date.UTC(year, month - 1, day));
  return isYear(year) && d.getUTCFullYear() === year && d.getUTCMonth() === month - 1 && d.getUTCDate() === day;
}

/** `31.05.1987` or `31051987` as `1987-05-31`; with `partial`, `05.1987` and `1987` too. Nothing where it is no date. */
export function readDay(text: string, partial: boolean): string | undefined {
  const m = /^(?:(?:(\d{1,2})[./-])?(\d{1,2})[./-])?(\d{4})$/.exec(text.trim()) ?? /^(?:(\d{2})?(\d{2}))?(\d{4})$/.exec(text.trim());
  if (!m) return undefined;
  const year = Number(m[3]);
  const [day, month] = [m[1] === undefined ? undefined : Number(m[1]), m[2] === undefined ? undefined : Number(m[2])];
  if (month !== undefined && day !== undefined) return isDay(year, month, day) ? `${year}-${two(month)}-${two(day)}` : undefined;
  if (!partial || !isYear(year)) return undefined;
  if (month === undefined) return String(year);
  return month >= 1 && month <= 12 ? `${year}-${two(month)}` : undefined;
}

/** A record's day as it is typed. */
export function writeDay(text: string): string {
  return text.split("-").reverse().join(".");
}

/** `24.11.2026 14:05` on a clock that is `offset` minutes ahead of UTC, as a record's time. */
export function readTime(text: string, offset: number): string | undefined {
  const m = /^(\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{8})[ ,]*(\d{1,2}):?(\d{2})$/.exec(text.trim());
  const day = m?.[1] === undefined ? undefined : readDay(m[1], false);
  const [hour, minute] = [Number(m?.[2]), Number(m?.[3])];
  if (day === undefined || hour > 23 || minute > 59) return undefined;
  return new Date(Date.parse(`${day}T${two(hour)}:${two(minute)}:00Z`) - offset * 60_000).toISOString().replace(/\.\d+Z$/, "Z");
}

/** A record's time as it is typed. */
export function writeTime(text: string, offset: number): string {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return text;
  const local = new Date(ms + offset * 60_000).toISOString();
  return `${writeDay(local.slice(0, 10))} ${local.slice(11, 16)}`;
}
