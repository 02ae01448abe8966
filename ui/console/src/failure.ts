// What went wrong, in words. Every code of the server has a sentence.
import type { Failure } from "./api.ts";
import { w } from "./words.svelte.ts";

export function failureText(failure: Failure): string {
  switch (failure.code) {
    case "login_wrong":
      return w("login_wrong");
    case "too_many":
      return w("too_many", { n: failure.retry_seconds });
    case "no_session":
    case "bad_token":
      return w("no_session");
    case "not_found":
    case "not_allowed":
      return w("not_found");
    case "unreachable":
      return w("unreachable");
    case "unexpected":
      return w("unexpected", { trace: failure.trace });
    case "bad_method":
    case "bad_request":
    case "too_large":
      return w("unexpected", { trace: failure.code });
  }
}
