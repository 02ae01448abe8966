// Speaks the chosen language: looks a message up, counts, fills parameters in. Never holds a word itself.
import type { Language } from "../generated/Language.ts";
import { catalogue as en } from "./en/index.ts";
import { catalogue as ru } from "./ru/index.ts";
import type { Args, Key } from "./types.ts";
import { catalogue as uzCyrl } from "./uz-cyrl/index.ts";
import { catalogue as uzLatn } from "./uz-latn/index.ts";

type Message = string | { readonly [form: string]: string };

export const CATALOGUES: { readonly [L in Language]: { readonly [K in Key]: Message } } = {
  "uz-Latn": uzLatn,
  "uz-Cyrl": uzCyrl,
  ru,
  en,
};

/** The languages with their own names, in the order of the chooser. */
export const LANGUAGES: readonly { readonly code: Language; readonly name: string; readonly short: string }[] = [
  { code: "uz-Latn", name: "O‘zbekcha", short: "O‘z" },
  { code: "uz-Cyrl", name: "Ўзбекча", short: "Ўз" },
  { code: "ru", name: "Русский", short: "Ру" },
  { code: "en", name: "English", short: "En" },
];

const plurals: { readonly [L in Language]: Intl.PluralRules } = {
  "uz-Latn": new Intl.PluralRules("uz"),
  "uz-Cyrl": new Intl.PluralRules("uz"),
  ru: new Intl.PluralRules("ru"),
  en: new Intl.PluralRules("en"),
};

// Uzbek writes numbers as Russian does, and some web views know no Uzbek.
const numbers: { readonly [L in Language]: Intl.NumberFormat } = {
  "uz-Latn": new Intl.NumberFormat("ru"),
  "uz-Cyrl": new Intl.NumberFormat("ru"),
  ru: new Intl.NumberFormat("ru"),
  en: new Intl.NumberFormat("en"),
};

let chosen = $state<Language>("uz-Latn");

export function language(): Language {
  return chosen;
}

export function speak(l: Language): void {
  chosen = l;
}

/** A number as the chosen language writes it. */
export function number(n: number): string {
  return numbers[chosen].format(n);
}

export function say(l: Language, key: Key, params: { readonly [name: string]: string | number } = {}): string {
  const message = CATALOGUES[l][key];
  const n = params["n"];
  const text = typeof message === "string" ? message : (message[plurals[l].select(Number(n ?? 0))] ?? message["other"] ?? "");
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name];
    return value === undefined ? whole : typeof value === "number" ? numbers[l].format(value) : value;
  });
}

/** The message of `key` in the chosen language. */
export function t<K extends Key>(key: K, ...[params]: Args<K>): string {
  return say(chosen, key, params);
}

const KB = 1024;
const MB = 1024 * KB;

/** A size for people: whole kilobytes, then megabytes with one digit behind the point. */
export function bytes(n: number): string {
  if (n < MB) return t("value.kb", { n: Math.max(n > 0 ? 1 : 0, Math.round(n / KB)) });
  return t("value.mb", { n: Math.round((n / MB) * 10) / 10 });
}

/** The words for a code of a code list; a code that this version does not know stands as it is. */
export function code(list: string, value: string | number): string {
  const key = `code.${list}.${value}`;
  return key in en ? say(chosen, key as Key) : String(value);
}

/** The name of a field; a field that this version does not know stands as it is. */
export function fieldName(name: string): string {
  const key = `field.${name}`;
  return key in en ? say(chosen, key as Key) : name;
}
