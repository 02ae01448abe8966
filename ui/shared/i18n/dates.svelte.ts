// Dates and times in the chosen language. Own month names: some web views know no Uzbek ones. Never guesses a time zone.
import type { Language } from "../generated/Language.ts";
import { language, t } from "./index.svelte.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Uzbekistan's clocks, where a record does not say. */
export const OFFSET_MINUTES = 300;

const MONTHS: { readonly [L in Language]: readonly string[] } = {
  "uz-Latn": ["yanvar", "fevral", "mart", "aprel", "may", "iyun", "iyul", "avgust", "sentabr", "oktabr", "noyabr", "dekabr"],
  "uz-Cyrl": ["январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь"],
  ru: ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"],
  en: ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
};

const WEEKDAYS: { readonly [L in Language]: readonly string[] } = {
  "uz-Latn": ["yakshanba", "dushanba", "seshanba", "chorshanba", "payshanba", "juma", "shanba"],
  "uz-Cyrl": ["якшанба", "душанба", "сешанба", "чоршанба", "пайшанба", "жума", "шанба"],
  ru: ["воскресенье", "понедельник", "вторник", "среда", "четверг", "пятница", "суббота"],
  en: ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"],
};

const two = (n: number): string => String(n).padStart(2, "0");
const local = (ms: number, offset: number): Date => new Date(ms + offset * MINUTE);

/** `14:05` */
export function clock(ms: number, offset = OFFSET_MINUTES): string {
  const d = local(ms, offset);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
}

/** `14:05:09` */
export function clockSeconds(ms: number, offset = OFFSET_MINUTES): string {
  return `${clock(ms, offset)}:${two(local(ms, offset).getUTCSeconds())}`;
}

function dayMonth(year: number, month: number, day: number, withYear: boolean): string {
  const name = MONTHS[language()][month] ?? "";
  const head = language().startsWith("uz") ? `${day}-${name}` : `${day} ${name}`;
  return withYear ? `${head} ${year}` : head;
}

/** `24 November 2026`; the year is left out where it is this one. */
export function date(ms: number, offset = OFFSET_MINUTES, now = Date.now()): string {
  const d = local(ms, offset);
  const year = d.getUTCFullYear();
  return dayMonth(year, d.getUTCMonth(), d.getUTCDate(), year !== local(now, offset).getUTCFullYear());
}

/** `Tuesday, 24 November` */
export function weekday(ms: number, offset = OFFSET_MINUTES): string {
  const name = WEEKDAYS[language()][local(ms, offset).getUTCDay()] ?? "";
  return `${name[0]?.toUpperCase() ?? ""}${name.slice(1)}, ${date(ms, offset)}`;
}

/** `24 November, 14:05`; today only `14:05`. */
export function dateTime(ms: number, offset = OFFSET_MINUTES, now = Date.now()): string {
  return sameDay(ms, now, offset) ? clock(ms, offset) : `${date(ms, offset, now)}, ${clock(ms, offset)}`;
}

/** A day as records hold it (`1987-05-31`, `1987-05`, `1987`) in words. */
export function day(text: string): string {
  const [year = "", month, d] = text.split("-");
  if (month === undefined) return year;
  if (d === undefined) return `${month}.${year}`;
  return dayMonth(Number(year), Number(month) - 1, Number(d), true);
}

function sameDay(a: number, b: number, offset: number): boolean {
  return Math.floor((a + offset * MINUTE) / DAY) === Math.floor((b + offset * MINUTE) / DAY);
}

/** `just now`, `5 minutes ago`, `3 hours ago`, `yesterday at 14:05`, `4 days ago`, then the date. A time ahead of the clock is `just now`. */
export function relative(ms: number, now = Date.now(), offset = OFFSET_MINUTES): string {
  const gone = now - ms;
  if (gone < MINUTE) return t("time.just_now");
  if (gone < HOUR) return t("time.minutes_ago", { n: Math.floor(gone / MINUTE) });
  if (sameDay(ms, now, offset)) return t("time.hours_ago", { n: Math.floor(gone / HOUR) });
  if (sameDay(ms + DAY, now, offset)) return t("time.yesterday_at", { time: clock(ms, offset) });
  if (gone < 30 * DAY) return t("time.days_ago", { n: Math.floor((now + offset * MINUTE) / DAY) - Math.floor((ms + offset * MINUTE) / DAY) });
  return date(ms, offset, now);
}
