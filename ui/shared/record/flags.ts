// What must be said of a record beside its values, gravest first. Holds no words.
import type { RecordView } from "../generated/RecordView.ts";

export type FlagName = "quarantined" | "in_review" | "not_judged" | "revived" | "earlier_missing" | "revived_elements" | "voided" | "clock_off";

export interface Flag {
  name: FlagName;
  tone: "bad" | "warn" | "plain";
  /** Why headquarters ruled so: a code, or a person's words. */
  reason?: string;
}

/** The newest ruling of this sort, by the history's order. */
function reasonOf(view: RecordView, verdict: string): string | undefined {
  return view.history.find((h) => h.ruling?.verdict === verdict)?.ruling?.reason;
}

function ruled(view: RecordView, verdict: string, name: FlagName, tone: Flag["tone"]): Flag[] {
  if (!view.history.some((h) => h.ruling?.verdict === verdict)) return [];
  const reason = reasonOf(view, verdict);
  return [reason ? { name, tone, reason } : { name, tone }];
}

export function flagsOf(view: RecordView): Flag[] {
  const { flags, row } = view;
  const when = (is: boolean, name: FlagName, tone: Flag["tone"]): Flag[] => (is ? [{ name, tone }] : []);
  return [
    ...ruled(view, "quarantined", "quarantined", "bad"),
    ...ruled(view, "review", "in_review", "warn"),
    ...when(row.state === "not_judged", "not_judged", "warn"),
    ...when(flags.revived, "revived", "warn"),
    ...when(flags.earlier_missing, "earlier_missing", "warn"),
    ...when(flags.revived_elements > 0, "revived_elements", "warn"),
    ...when(row.state === "voided", "voided", "plain"),
    ...when(flags.clock_off, "clock_off", "plain"),
  ];
}
