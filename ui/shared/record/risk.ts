// The risk score of an inspection: the sum of the weights of what was seen, with its reasons. It advises; it decides nothing.

/** Points of each indicator: ten for a weight of one. */
export const RISK_POINTS = {
  stories_conflict: 10,
  nervous_driver: 5,
  route_illogical: 9,
  travel_at_night: 2,
  frequent_short_crossings: 4,
  new_owner: 3,
  driver_not_owner: 2,
  documents_differ: 8,
  many_phones: 5,
  masking_smell: 11,
  fresh_weld_or_paint: 13,
  panel_gap: 13,
  second_tank: 10,
  spare_tyre_heavy: 14,
  suspension_low: 9,
  seal_differs: 9,
  cargo_value_low: 7,
  dog_changes: 20,
} as const;

export type RiskCode = keyof typeof RISK_POINTS;
export type RiskAnswer = "seen" | "not_seen";
/** An indicator that is absent was not checked. */
export type RiskAnswers = { [code: string]: RiskAnswer };

export const RISK_CODES = Object.keys(RISK_POINTS) as RiskCode[];

export const RISK_MEDIUM_FROM = 10;
export const RISK_HIGH_FROM = 25;

export interface RiskScore {
  points: number;
  level: "low" | "medium" | "high";
  /** What was seen, heaviest first. */
  reasons: { code: string; points: number }[];
  /** How many of the known indicators have an answer. */
  checked: number;
  total: number;
}

/** Adds up what was seen. An indicator of a newer version counts as a reason without points. */
export function riskScore(answers: RiskAnswers): RiskScore {
  const weights: { readonly [code: string]: number } = RISK_POINTS;
  const reasons = Object.entries(answers)
    .filter(([, answer]) => answer === "seen")
    .map(([code]) => ({ code, points: weights[code] ?? 0 }))
    .sort((a, b) => b.points - a.points || a.code.localeCompare(b.code));
  const points = reasons.reduce((sum, r) => sum + r.points, 0);
  return {
    points,
    level: points >= RISK_HIGH_FROM ? "high" : points >= RISK_MEDIUM_FROM ? "medium" : "low",
    reasons,
    checked: RISK_CODES.filter((c) => c in answers).length,
    total: RISK_CODES.length,
  };
}
