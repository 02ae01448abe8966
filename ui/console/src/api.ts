// The one place that speaks to the server. Answers are the server's shapes; errors are its codes.
import type { ConsoleError } from "@daftar/shared/generated/console/ConsoleError.ts";
import type { LagView } from "@daftar/shared/generated/console/LagView.ts";
import type { Overview } from "@daftar/shared/generated/console/Overview.ts";
import type { RecordList } from "@daftar/shared/generated/console/RecordList.ts";
import type { RecordPage } from "@daftar/shared/generated/console/RecordPage.ts";
import type { SessionView } from "@daftar/shared/generated/console/SessionView.ts";

export type Failure = ConsoleError | { code: "unreachable" };

export class ApiError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.code);
    this.failure = failure;
  }
}

let csrf = "";

/** `unasked`: the page asks by itself, which does not keep a session alive. */
async function call<T>(method: string, path: string, body?: unknown, unasked = false): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (unasked) headers["x-daftar-passive"] = "1";
  if (body !== undefined) headers["content-type"] = "application/json";
  if (csrf !== "") headers["x-csrf-token"] = csrf;
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, credentials: "same-origin", ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch {
    throw new ApiError({ code: "unreachable" });
  }
  if (answer.status === 204) return undefined as T;
  const value: unknown = await answer.json().catch(() => ({ code: "unexpected", trace: String(answer.status) }));
  if (!answer.ok) throw new ApiError(value as Failure);
  return value as T;
}

function begun(session: SessionView): SessionView {
  csrf = session.csrf;
  return session;
}

export interface Asked {
  q: string;
  kind: string;
  team: string;
  compartment: string;
  /** `1`: only what needs a decision. */
  decision: string;
  before: string | null;
}

export const api = {
  session: async (): Promise<SessionView> => begun(await call("GET", "/api/session")),
  login: async (name: string, password: string): Promise<SessionView> => begun(await call("POST", "/api/login", { name, password })),
  logout: (): Promise<void> => call("POST", "/api/logout", {}),
  lag: (): Promise<LagView> => call("GET", "/api/lag", undefined, true),
  overview: (unasked: boolean): Promise<Overview> => call("GET", "/api/overview", undefined, unasked),
  records: (asked: Asked, unasked = false): Promise<RecordList> => {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(asked)) if (value) query.set(name, String(value));
    return call("GET", `/api/records?${query}`, undefined, unasked);
  },
  record: (compartment: string, id: string, unasked = false): Promise<RecordPage> =>
    call("GET", `/api/records/${compartment}/${id}`, undefined, unasked),
};
