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
  /** Null where there was none, or is none. */
  readonly before: Json;
  readonly after: Json;
  /** This null is a parameter's value. */
  readonly isNull?: 'before' | 'after';
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
      return `${/^tool /.test(reason.name) ? '' : 'variable '}${reason.name}: ${change(reason)}`;
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

function change(reason: Reason): string {
  const [old, now] = shownChange(reason);
  if (old === null) return `added ${now}`;
  if (now === null) return `removed ${old}`;
  return `${old} → ${now}`;
}

/**
 * Both values on one line, null for one that there is not, so that what differs is seen: texts of parameters are in quotes, others where
 * their white space would hide; letters that do not show are written by their numbers; of long values there is the part that differs.
 */
export function shownChange({ kind, before, after, isNull }: Reason): [string | null, string | null] {
  const isQuoted = kind === 'param' || [before, after].some((value) => typeof value === 'string' && !PLAIN.test(value));
  const [oldText, newText] = [textOf(before, isQuoted), textOf(after, isQuoted)];
  const areAlike = oldText.normalize() === newText.normalize();
  const [old, now] = [lettersOf(oldText, areAlike), lettersOf(newText, areAlike)];
  const shorter = Math.min(old.length, now.length);
  let [start, end] = [0, 0];
  while (start < shorter && old[start] === now[start]) start++;
  while (end < shorter - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  const isCut = Math.max(old.length, now.length) > WIDEST_VALUE && before !== null && after !== null;
  const from = isCut ? Math.max(0, start - AROUND) : 0;
  const shown = (letters: readonly string[]) =>
    cut(letters, from, isCut ? letters.length - end + AROUND : letters.length);
  return [
    before === null && isNull !== 'before' ? null : shown(old),
    after === null && isNull !== 'after' ? null : shown(now),
  ];
}

/** Letters that are shown before and behind a difference. */
const AROUND = 16;
/** Words with single spaces between them. */
const PLAIN = /^[^\p{C}\p{Z}]+(?: [^\p{C}\p{Z}]+)*$/u;
const HIDDEN = /[\p{C}\p{Z}]/u;
const DIGEST = /^[0-9a-f]{64}$/;

function textOf(value: Json, isQuoted: boolean): string {
  if (typeof value !== 'string' || isQuoted) return JSON.stringify(value);
  return DIGEST.test(value) ? value.slice(0, 12) : value;
}

/** Each as it is to be seen. `apart`: the texts look alike, and differ in how their accents are made. */
function lettersOf(text: string, apart: boolean): string[] {
  return [...text].map((letter) =>
    letter !== ' ' && (apart ? /[^!-~]/ : HIDDEN).test(letter) ? numbered(letter) : letter,
  );
}

const numbered = (letter: string) =>
  letter
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');

function cut(letters: readonly string[], from: number, to: number): string {
  const end = Math.min(to, from + WIDEST_VALUE);
  return (from > 0 ? '…' : '') + letters.slice(from, end).join('') + (end < letters.length ? '…' : '');
}
