// Short words at the edge of the screen. Holds them for a while; never decides what is said.

export interface Toast {
  id: number;
  tone: "good" | "bad" | "plain";
  text: string;
  testid: string;
}

const SHOWN_MS = { good: 4500, plain: 4500, bad: 9000 } as const;

let next = 0;
export const toasts = $state<Toast[]>([]);

export function toast(tone: Toast["tone"], text: string, testid = "toast"): void {
  const id = ++next;
  toasts.push({ id, tone, text, testid });
  setTimeout(() => dismiss(id), SHOWN_MS[tone]);
}

export function dismiss(id: number): void {
  const at = toasts.findIndex((t) => t.id === id);
  if (at >= 0) toasts.splice(at, 1);
}
