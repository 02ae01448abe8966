// Plates as they are typed and shown. Folding for comparison is the engine's; here only what the eye needs.

export const PLATE_CHARS_MAX = 16;

/** Upper case, one space between groups, nothing but letters, digits, spaces and dashes. */
export function asPlate(raw: string): string {
  return raw
    .toLocaleUpperCase("en")
    .replace(/[^\p{L}\p{N} -]/gu, "")
    .replace(/ {2,}/g, " ")
    .trimStart()
    .slice(0, PLATE_CHARS_MAX);
}

const FORMS: readonly [RegExp, readonly number[]][] = [
  [/^\d{2}[A-Z]\d{3}[A-Z]{2}$/, [2, 1, 3, 2]], // Uzbekistan, private
  [/^\d{5}[A-Z]{3}$/, [2, 3, 3]], // Uzbekistan, legal persons and government
  [/^\d{6}[A-Z]{2}$/, [2, 4, 2]], // Uzbekistan, trailers
];

/** The plate with the spaces of its form, where it has none and the form is known. */
export function grouped(plate: string): string {
  const form = FORMS.find(([pattern]) => pattern.test(plate));
  if (!form) return plate;
  let at = 0;
  return form[1].map((n) => plate.slice(at, (at += n))).join(" ");
}
