// The written form of the event stream, a JSON object a line, private to this room: `decode.ts` gives events
// again. Kept small: a module's code is written once a run (`code`), nodes point to it by digest; fresh nodes are one line between
// others (`nodes-fresh`); the last value of each metric stands in the line that ends its node, since most are thinned out.
import type { RunEvent } from '../model/event.ts';
import type { Code, Ingredients } from '../model/ingredients.ts';
import { jsonOfMetrics } from './metrics.ts';

const JOURNAL_VERSION = 1;

/** Of a module, its code is by digest in a `code` line before. */
export type WrittenIngredients = Omit<Ingredients, 'code'> & {
  readonly code:
    | { readonly kind: 'module'; readonly path: string; readonly digest: string }
    | { readonly kind: 'shell'; readonly command: string };
};

type Written<T extends RunEvent['type']> = Omit<Extract<RunEvent, { type: T }>, 'ingredients'> & {
  readonly ingredients: WrittenIngredients;
};
export type CodeLine = { readonly type: 'code'; readonly path: string } & Code;
/** NaN and infinities are texts; where a line has null, it was one of these. */
export type WrittenNumber = number | string | null;
type MetricLine = Omit<Extract<RunEvent, { type: 'node-metric' }>, 'value'> & { readonly value: WrittenNumber };
type DoneLine = Extract<RunEvent, { type: 'node-done' }> & {
  readonly metrics?: Readonly<Record<string, WrittenNumber>>;
};

/** What a line says, besides `v` and `at`. */
export type JournalLine =
  | Exclude<RunEvent, { type: 'node-fresh' | 'node-started' | 'node-restored' | 'node-metric' | 'node-done' }>
  | CodeLine
  /** Names to keys. */
  | { readonly type: 'nodes-fresh'; readonly nodes: Readonly<Record<string, string>> }
  | Written<'node-started'>
  | Written<'node-restored'>
  | MetricLine
  | DoneLine;

export function lineOf(line: JournalLine, at: Date): string {
  const whole = { v: JOURNAL_VERSION, at: at.toISOString(), ...line };
  const hasMetrics = line.type === 'node-metric' || line.type === 'node-done';
  return `${hasMetrics ? jsonOfMetrics(whole) : JSON.stringify(whole)}\n`;
}

export function written<T extends { readonly ingredients: Ingredients }>(event: T) {
  const { code } = event.ingredients;
  if (code.kind === 'shell') return { ...event, ingredients: { ...event.ingredients, code } };
  const { kind, path, digest } = code;
  return { ...event, ingredients: { ...event.ingredients, code: { kind, path, digest } } };
}

/** Null for one that cannot be read, or is of a version that is not ours. */
export function parseLine(text: string): { readonly line: JournalLine; readonly at: string } | null {
  try {
    const { v, at, ...line } = JSON.parse(text) as JournalLine & { readonly v: number; readonly at: string };
    return typeof line.type === 'string' && v === JOURNAL_VERSION ? { line: line as JournalLine, at } : null;
  } catch {
    return null;
  }
}
