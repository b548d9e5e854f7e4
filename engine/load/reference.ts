// The one syntax of pipeline.yml: `${head.field.field[axis=value, axis=value]}` inside text, `${head.field?}` for a field that
// may be missing, and `$${` for a literal `${`. Knows nothing of what the names mean.
import { fail, ok, type Result } from '../model/result.ts';

export interface Pick {
  readonly axis: string;
  readonly value: string;
}
export interface Reference {
  readonly head: string;
  readonly fields: readonly string[];
  readonly picks: readonly Pick[];
  /** The last field may be missing: an empty list then. */
  readonly optional?: true;
  /** Offsets of `${` and past `}` in the string. */
  readonly start: number;
  readonly end: number;
}
export type Part = string | Reference;

export interface SyntaxTrouble {
  readonly start: number;
  readonly end: number;
  readonly message: string;
  readonly hint?: string;
}

const NAME = /[A-Za-z_][A-Za-z0-9_-]*/y;
const FIELD = /[A-Za-z0-9_][A-Za-z0-9_-]*/y;
const SPACE = /\s*/y;
const PICK_VALUE = /[^,\]}[{=]+/y;

/** Splits a string into text and references; read from left to right, so `$$${x}` is a dollar and a literal `${x}`. */
export function parseTemplate(text: string): Result<Part[], SyntaxTrouble> {
  const parts: Part[] = [];
  let literal = '';
  let at = 0;
  for (;;) {
    const dollar = text.indexOf('$', at);
    if (dollar < 0) break;
    literal += text.slice(at, dollar);
    if (text.startsWith('$${', dollar)) {
      literal += '${';
      at = dollar + 3;
    } else if (text.startsWith('${', dollar)) {
      const reference = parseReference(text, dollar);
      if (!reference.ok) return reference;
      if (literal !== '') parts.push(literal);
      literal = '';
      parts.push(reference.value);
      at = reference.value.end;
    } else {
      literal += '$';
      at = dollar + 1;
    }
  }
  literal += text.slice(at);
  if (literal !== '' || parts.length === 0) parts.push(literal);
  return ok(parts);
}

/** A task with picks and no braces, as `after:` writes it: `labels`, `train[fold=0]`. */
export function parseTaskName(text: string): Result<Reference, SyntaxTrouble> {
  const reader = createReader(text, 0);
  const head = reader.take(NAME);
  if (head === undefined) return fail({ start: 0, end: text.length, message: `"${text}" is not the name of a task` });
  const picks = parsePicks(reader, text, 0);
  if (!picks.ok) return picks;
  if (reader.at < text.length)
    return fail({
      start: reader.at,
      end: text.length,
      message: `"${text.slice(reader.at).trim()}" cannot follow the name of a task`,
    });
  return ok({ head, fields: [], picks: picks.value, start: 0, end: text.length });
}

/** The inverse of `parseTemplate`, up to white space inside braces. */
export function printTemplate(parts: readonly Part[]): string {
  return parts
    .map((part) => (typeof part === 'string' ? part.replaceAll('${', () => '$${') : printReference(part)))
    .join('');
}

function printReference(reference: Omit<Reference, 'start' | 'end'>): string {
  const picks = reference.picks.map((pick) => `${pick.axis}=${pick.value}`).join(', ');
  const name = [reference.head, ...reference.fields].join('.');
  return `\${${name}${reference.optional ? '?' : ''}${picks === '' ? '' : `[${picks}]`}}`;
}

interface Reader {
  at: number;
  take(pattern: RegExp): string | undefined;
}

function createReader(text: string, at: number): Reader {
  return {
    at,
    take(pattern) {
      pattern.lastIndex = this.at;
      const match = pattern.exec(text);
      if (!match) return undefined;
      this.at += match[0].length;
      return match[0];
    },
  };
}

function parseReference(text: string, start: number): Result<Reference, SyntaxTrouble> {
  const reader = createReader(text, start + 2);
  reader.take(SPACE);
  const head = reader.take(NAME);
  if (head === undefined) return noName(text, start, reader.at);
  const fields: string[] = [];
  while (text[reader.at] === '.') {
    reader.at += 1;
    const field = reader.take(FIELD);
    if (field === undefined) return wrong(text, start, reader.at, 'a name must follow the dot');
    fields.push(field);
  }
  const optional = fields.length > 0 && text[reader.at] === '?';
  if (optional) reader.at += 1;
  const picks = parsePicks(reader, text, start);
  if (!picks.ok) return picks;
  reader.take(SPACE);
  if (text[reader.at] === '.' && picks.value.length > 0)
    return wrong(
      text,
      start,
      reader.at,
      '[axis=value] stands at the end, after the output',
      `e.g. \${${head}.output[…]}`,
    );
  if (text[reader.at] !== '}') return wrong(text, start, reader.at, UNREADABLE);
  const reference = { head, fields, picks: picks.value, start, end: reader.at + 1 };
  return ok(optional ? { ...reference, optional } : reference);
}

function parsePicks(reader: Reader, text: string, start: number): Result<Pick[], SyntaxTrouble> {
  const picks: Pick[] = [];
  if (text[reader.at] !== '[') return ok(picks);
  do {
    reader.at += 1;
    reader.take(SPACE);
    const axis = reader.take(NAME);
    if (axis === undefined) return wrong(text, start, reader.at, 'an axis must stand here', 'e.g. [split=train]');
    reader.take(SPACE);
    if (text[reader.at] !== '=')
      return wrong(text, start, reader.at, `"=" must follow the axis "${axis}"`, `e.g. [${axis}=value]`);
    reader.at += 1;
    const value = reader.take(PICK_VALUE)?.trim() ?? '';
    if (value === '') return wrong(text, start, reader.at, `a value must follow "${axis}="`);
    if (picks.some((pick) => pick.axis === axis))
      return wrong(text, start, reader.at, `the axis "${axis}" is picked twice`);
    picks.push({ axis, value });
  } while (text[reader.at] === ',');
  if (text[reader.at] !== ']') return wrong(text, start, reader.at, 'the "[" is not closed by "]"');
  reader.at += 1;
  return ok(picks);
}

function noName(text: string, start: number, at: number): Result<never, SyntaxTrouble> {
  if (text[at] === '}')
    return fail({
      start,
      end: at + 1,
      message: '${} is empty',
      hint: 'name an axis, a parameter or an output: ${task.output}',
    });
  return wrong(text, start, at, UNREADABLE);
}

function wrong(text: string, start: number, at: number, why: string, hint?: string): Result<never, SyntaxTrouble> {
  const close = text.indexOf('}', start);
  const next = text.indexOf('${', start + 2);
  if (close < 0 || (next >= 0 && next < close && next < at + 1)) {
    const lineEnd = text.indexOf('\n', start);
    const end = Math.min(next < 0 ? text.length : next, lineEnd < 0 ? text.length : lineEnd);
    return fail({ start, end, message: '${ is not closed', hint: 'close it with }, or write $${ for a literal ${' });
  }
  const shown = text.slice(start, close + 1);
  const unread = why === UNREADABLE;
  const message = unread ? `${shown}: ${why} at "${text.slice(at, close)}"` : `${shown}: ${why}`;
  const advice = hint ?? (unread ? 'write $${ for a literal ${' : undefined);
  return fail({ start, end: close + 1, message, ...(advice === undefined ? {} : { hint: advice }) });
}

const UNREADABLE = 'cannot be read';
