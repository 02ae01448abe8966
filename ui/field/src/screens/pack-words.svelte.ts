// What came of a pack, line by line. Nothing is called sent that headquarters has not signed for.
import type { PackRead } from "@daftar/shared/generated/PackRead.ts";
import type { PackWritten } from "@daftar/shared/generated/PackWritten.ts";
import { dateTime } from "@daftar/shared/i18n/dates.svelte.ts";
import { bytes, t } from "@daftar/shared/i18n/index.svelte.ts";

export interface PackLine {
  text: string;
  tone: "head" | "good" | "warn" | "plain";
}

export function writtenLines(pack: PackWritten): PackLine[] {
  const what = t("pack.written", { n: pack.changes, size: bytes(pack.bytes) });
  const files = pack.files > 0 ? ` ${t("pack.written_files", { n: pack.files })}` : "";
  const lines: PackLine[] = [
    { text: what + files, tone: "head" },
    { text: t("pack.written_text"), tone: "plain" },
  ];
  if (pack.files_part > 0) lines.push({ text: t("pack.files_part", { n: pack.files_part }), tone: "warn" });
  if (pack.files_left > 0) lines.push({ text: t("pack.files_left", { n: pack.files_left }), tone: "warn" });
  if (pack.more) lines.push({ text: t("pack.more_to_write"), tone: "warn" });
  return lines;
}

export function readLines(pack: PackRead): PackLine[] {
  const when = dateTime(pack.written_ms);
  const lines: PackLine[] = [{ text: pack.from === null ? t("pack.from_hq", { when }) : t("pack.from_device", { device: pack.from, when }), tone: "head" }];
  if (pack.receipted > 0) lines.push({ text: t("pack.receipted", { n: pack.receipted }), tone: "good" });
  if (pack.files_receipted > 0) lines.push({ text: t("pack.files_receipted", { n: pack.files_receipted }), tone: "good" });
  lines.push({ text: t("pack.received", { n: pack.received }), tone: "plain" });
  if (pack.files_received > 0) lines.push({ text: t("pack.files_received", { n: pack.files_received }), tone: "plain" });
  if (pack.files_part > 0) lines.push({ text: t("pack.files_came_part", { n: pack.files_part }), tone: "plain" });
  lines.push(pack.waiting > 0 ? { text: t("pack.still_wait", { n: pack.waiting }), tone: "plain" } : { text: t("pack.none_wait"), tone: "good" });
  if (pack.refused > 0) lines.push({ text: t("pack.refused", { n: pack.refused }), tone: "warn" });
  if (pack.more) lines.push({ text: t("pack.more_to_read"), tone: "warn" });
  return lines;
}
