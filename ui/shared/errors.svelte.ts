// The words for what goes wrong, in the chosen language. Never decides what happens next.
import type { SyncTrouble } from "./generated/SyncTrouble.ts";
import type { UiError } from "./generated/UiError.ts";
import { bytes, fieldName, t } from "./i18n/index.svelte.ts";

/** What is thrown by `ipc`, or by a mistake of ours. */
export function asError(cause: unknown): UiError {
  if (typeof cause === "object" && cause !== null && "code" in cause) return cause as UiError;
  return { code: "unexpected", trace: cause instanceof Error ? cause.message.slice(0, 80) : String(cause).slice(0, 80) };
}

/** A field's name from its path: the last step that has one. */
export function pathName(path: string): string {
  const steps = path.split(".").filter((s) => !/^\d+$/.test(s));
  return fieldName(steps.at(-1) ?? path);
}

export function errorText(error: UiError): string {
  switch (error.code) {
    case "field_invalid":
      return t("error.field_invalid", { field: pathName(error.field), why: t(`error.why_${error.why}`) });
    case "pin_wrong":
      return error.wait_seconds > 0 ? t("unlock.wait", { n: error.wait_seconds }) : t("unlock.wrong");
    case "pin_short":
      return t("error.pin_short", { n: error.chars_min });
    case "unexpected":
      return t("error.unexpected", { trace: error.trace });
    case "file_too_large":
      return t("error.file_too_large", { max: bytes(error.max_bytes) });
    case "not_admitted":
      return t(`admit_why.${error.why}`);
    default:
      return t(`error.${error.code}`);
  }
}

export function troubleTitle(trouble: SyncTrouble): string {
  return t(`trouble.${trouble}`);
}

export function troubleText(trouble: SyncTrouble): string {
  return t(`trouble.${trouble}_text`);
}
