// Why a node is not fresh, as data: recorded where the verdict is made, printed everywhere by `describeReason`.
import type { Json } from '../task.ts';
import { unreachable } from './result.ts';

export type ReasonKind =
  | 'input'
  | 'input-missing'
  | 'code'
  | 'param'
  | 'environment'
  | 'output-missing'
  | 'output-changed'
  | 'never-ran'
  | 'upstream'
  | 'forced';

export interface Reason {
  readonly kind: ReasonKind;
  /** The file, parameter, variable, output or node that it is about. */
  readonly name: string;
  readonly before: Json;
  readonly after: Json;
}

/** Several reasons on one line; nodes that are waited for are counted when there are many. */
export function describeReasons(reasons: readonly Reason[], most: number): string {
  const waits = reasons.filter(({ kind }) => kind === 'upstream');
  const own = reasons.filter(({ kind }) => kind !== 'upstream').map(describeReason);
  const shown = own.length > most ? [...own.slice(0, most), `and ${own.length - most} more`] : own;
  if (waits.length > 1) shown.push(`waits for ${waits.length} nodes`);
  else shown.push(...waits.map(describeReason));
  return shown.join('; ');
}

const WIDEST_VALUE = 60;

/** One line for a person, e.g. `parameter epochs: 6 → 8`. */
export function describeReason(reason: Reason): string {
  switch (reason.kind) {
    case 'input':
      return `input ${reason.name}: ${change(reason)}`;
    case 'input-missing':
      return `its input ${reason.name} does not exist`;
    case 'code':
      return `code ${reason.name}: ${change(reason)}`;
    case 'param':
      return `parameter ${reason.name}: ${change(reason)}`;
    case 'environment':
      return `environment ${reason.name}: ${change(reason)}`;
    case 'output-missing':
      return `output ${reason.name} is missing`;
    case 'output-changed':
      return `output ${reason.name} was changed since it was made: ${change(reason)}`;
    case 'never-ran':
      return 'it never ran';
    case 'upstream':
      return `waits for ${reason.name}`;
    case 'forced':
      return 'it was forced (--force)';
    default:
      return unreachable(reason.kind);
  }
}

function change({ before, after }: Reason): string {
  const [old, now] = shownChange(before, after);
  if (before === null) return `added ${now}`;
  if (after === null) return `removed ${old}`;
  return `${old} → ${now}`;
}

/** Both values on one line; of long ones, the part in which they differ. */
export function shownChange(before: Json, after: Json): [string, string] {
  const [old, now] = [lineOf(before), lineOf(after)];
  if (Math.max(old.length, now.length) <= WIDEST_VALUE) return [old, now];
  if (before === null || after === null) return [cut(old, 0, old.length), cut(now, 0, now.length)];
  const shorter = Math.min(old.length, now.length);
  let [start, end] = [0, 0];
  while (start < shorter && old[start] === now[start]) start++;
  while (end < shorter - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  const from = Math.max(0, start - AROUND);
  return [cut(old, from, old.length - end + AROUND), cut(now, from, now.length - end + AROUND)];
}

/** Letters that are shown before and behind a difference. */
const AROUND = 16;

function lineOf(value: Json): string {
  const text = (typeof value === 'string' ? value : JSON.stringify(value)).replace(/\s+/g, ' ').trim();
  return /^[0-9a-f]{64}$/.test(text) ? text.slice(0, 12) : text;
}

function cut(text: string, from: number, to: number): string {
  const end = Math.min(to, from + WIDEST_VALUE);
  return (from > 0 ? '…' : '') + text.slice(from, end) + (end < text.length ? '…' : '');
}
