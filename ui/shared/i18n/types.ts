// The types that make a missing key, a missing plural form or a missing parameter fail the build. Holds no word.
import type { catalogue } from "./en/index.ts";

/** The plural forms that a language has, as Intl.PluralRules names them. */
export interface PluralForms {
  en: { readonly one: string; readonly other: string };
  ru: { readonly one: string; readonly few: string; readonly many: string; readonly other: string };
  uz: { readonly one: string; readonly other: string };
}

/** The same keys in another language. A message that counts in English may count or not elsewhere; a plain one stays plain. */
export type Translated<English, L extends keyof PluralForms> = {
  readonly [K in keyof English]: English[K] extends string ? string : string | PluralForms[L];
};

export type Catalogue = typeof catalogue;
export type Key = keyof Catalogue;

type Names<S> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type Texts<M> = M extends string ? M : M[keyof M];

/** The parameters of a message; one that counts takes `n`. */
export type Params<K extends Key> =
  | Names<Texts<Catalogue[K]>>
  | (Catalogue[K] extends string ? never : "n");

/** The arguments after the key: none where the message has no parameter. */
export type Args<K extends Key> = [Params<K>] extends [never] ? [] : [params: { readonly [P in Params<K>]: string | number }];
