// What a file is called on the screen, and the sentences for files that were not taken. Holds no file.
import type { FileRow } from "@daftar/shared/generated/FileRow.ts";
import { bytes, t } from "@daftar/shared/i18n/index.svelte.ts";
import { type Chosen, type Refused, isPhoto } from "@daftar/shared/record/files.ts";

export function fileName(file: FileRow, n: number): string {
  return file.caption ?? file.name ?? (isPhoto(file) ? t("photo.unnamed", { n }) : t("photo.unnamed_file", { n }));
}

export function refusedText({ file, why, max }: Refused<Chosen>): string {
  return why === "empty" ? t("photo.empty_file", { name: file.name }) : t("photo.too_large", { name: file.name, size: bytes(file.size), max: bytes(max) });
}
