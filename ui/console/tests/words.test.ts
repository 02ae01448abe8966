// The console's words: complete in four languages, with the same parameters, and translated.
import { expect, test } from "vitest";
import { WORDS } from "../src/words.svelte.ts";

const languages = Object.keys(WORDS) as (keyof typeof WORDS)[];
const params = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1] ?? "").sort();

test("every language has every word with the same parameters", () => {
  for (const l of languages) {
    expect(Object.keys(WORDS[l]).sort()).toEqual(Object.keys(WORDS.en).sort());
    for (const [word, text] of Object.entries(WORDS[l])) {
      expect(text.trim(), `${l} ${word}`).not.toBe("");
      expect(params(text), `${l} ${word}`).toEqual(params(WORDS.en[word as keyof (typeof WORDS)["en"]]));
    }
  }
});

test("Cyrillic words hold no Latin letters, and the other way round", () => {
  // The key is named as it is on every keyboard.
  const bare = (text: string): string => text.replace(/\{\w+\}|\bEnter\b/g, "");
  for (const l of ["ru", "uz-Cyrl"] as const) for (const [word, text] of Object.entries(WORDS[l])) expect(bare(text), `${l} ${word}`).not.toMatch(/[A-Za-z]/);
  for (const l of ["en", "uz-Latn"] as const) for (const [word, text] of Object.entries(WORDS[l])) expect(bare(text), `${l} ${word}`).not.toMatch(/[А-Яа-яЎўҚқҒғҲҳЁё]/);
});
