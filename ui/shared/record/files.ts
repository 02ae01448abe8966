// What a screen says of a record's files: which may be chosen, how far each is. Decides nothing that the engine does not check again.
import type { FileRow } from "../generated/FileRow.ts";

export interface Limits {
  readonly photo_bytes_max: number;
  readonly file_bytes_max: number;
}

/** What is known of a file before it is read. */
export interface Chosen {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

export interface Refused<F extends Chosen> {
  file: F;
  why: "too_large" | "empty";
  /** It may have so many bytes. */
  max: number;
}

/** A file that comes by the web view is held in memory, so none is larger than a photo may be; a larger one goes by the platform's dialog. */
export function sortChosen<F extends Chosen>(files: readonly F[], limits: Limits): { good: F[]; refused: Refused<F>[] } {
  const good: F[] = [];
  const refused: Refused<F>[] = [];
  const max = Math.min(limits.photo_bytes_max, limits.file_bytes_max);
  for (const file of files) {
    if (file.size === 0) refused.push({ file, why: "empty", max });
    else if (file.size > max) refused.push({ file, why: "too_large", max });
    else good.push(file);
  }
  return { good, refused };
}

export type Place = "here" | "part" | "wanted" | "thumbnail_only" | "not_here";

/** Where the file's bytes are, as far as this device is concerned. */
export function placeOf(file: FileRow): Place {
  if (file.here) return "here";
  if (file.wanted) return "wanted";
  if (file.chunks_here > 0) return "part";
  return file.thumbnail === null ? "not_here" : "thumbnail_only";
}

const SHOWN = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

/** Whether the web view can show the file itself. */
export function isPicture(file: { readonly media_type: string | null }): boolean {
  return file.media_type !== null && SHOWN.has(file.media_type);
}

export function isPhoto(file: { readonly media_type: string | null }): boolean {
  return file.media_type?.startsWith("image/") ?? false;
}

/** A file of a record that is being written, as the record will name it. */
export interface DraftFile {
  key: number | string;
  sha256: string;
  name?: string;
  media_type?: string;
  size_bytes?: number;
  taken_at?: string;
  thumbnail?: string;
}

/** A draft's file as the list shows it. */
export function draftRow(file: DraftFile): FileRow {
  return {
    sha256: file.sha256,
    name: file.name ?? null,
    media_type: file.media_type ?? null,
    size_bytes: file.size_bytes ?? null,
    caption: null,
    thumbnail: file.thumbnail ?? null,
    chunks: 1,
    chunks_here: 1,
    here: true,
    at_hq: false,
    wanted: false,
  };
}
