// Reading and writing CSV (RFC 4180) with errors that name file and line. Our own reader of some forty lines because the label
// table has 4.5 million rows: libraries build an array a row, or lose the line number that every message here needs.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { relative } from 'node:path';
import { InputError } from '../../engine/task.ts';

export interface Csv {
  readonly header: string[];
  readonly rows: string[][];
}

/** The whole table as text fields, every row as long as the header. Errors as `scanCsv`. */
export function readCsv(path: string): Csv {
  let header: string[] = [];
  const rows: string[][] = [];
  scanCsv(path, (names) => {
    header = names;
    return (fields) => rows.push(fields);
  });
  return { header, rows };
}

/** One row's fields, as many as the header has; lines count from 1, which is the header's. */
export type RowVisitor = (fields: string[], line: number) => void;

/**
 * Calls `begin` with the header and then what it returned with each row, without keeping the rows. LF or CRLF, an optional
 * byte-order mark, quoted fields. InputError, with file and line: an empty file, a row longer or shorter than the header, a
 * quote out of place.
 */
export function scanCsv(path: string, begin: (header: string[]) => RowVisitor): void {
  const text = readText(path);
  let width = 0;
  let visit: RowVisitor | undefined;
  const take: RowVisitor = (fields, line) => {
    if (visit === undefined) {
      width = fields.length;
      visit = begin(fields);
      return;
    }
    if (width > 1 && fields.length === 1 && fields[0] === '') return; // A blank line, as editors leave at the end.
    if (fields.length !== width) {
      throw new InputError(`${shownPath(path)}:${line}: ${fields.length} columns; expected ${width} as in the header`);
    }
    visit(fields, line);
  };
  if (text.includes('"')) scanQuoted(path, text, take);
  else scanPlain(text, take);
  if (visit === undefined) throw new InputError(`${shownPath(path)}:1: the file is empty; expected column names`);
}

/** Where the named columns stand in the header. InputError naming those that are missing. */
export function columnsOf(path: string, header: readonly string[], names: readonly string[]): number[] {
  const missing = names.filter((name) => !header.includes(name));
  if (missing.length > 0) {
    throw new InputError(`${shownPath(path)}:1: no column ${missing.join(', ')}; the file has ${header.join(', ')}`);
  }
  return names.map((name) => header.indexOf(name));
}

/** A path as a person would type it: relative to the working folder where it lies inside, else as it is. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' || short.startsWith('..') ? path : short;
}

/** A finite number, else an InputError with file, line and column. */
export function numberField(path: string, line: number, column: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new InputError(`${shownPath(path)}:${line}: column ${column} is "${text}"; expected a number`);
}

const CHUNK = 1 << 20;

/** Writes LF lines, quotes only where needed; a number is the shortest text that reads back as the same double. */
export function writeCsv(path: string, header: readonly string[], rows: Iterable<readonly (string | number)[]>): void {
  const file = openSync(path, 'w');
  try {
    let text = `${header.map(quoted).join(',')}\n`;
    for (const row of rows) {
      for (let i = 0; i < row.length; i++) text += (i === 0 ? '' : ',') + quoted(row[i]!);
      text += '\n';
      if (text.length < CHUNK) continue;
      writeSync(file, text);
      text = '';
    }
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}

function quoted(field: string | number): string {
  if (typeof field === 'number') return String(field);
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new InputError(`${shownPath(path)}: cannot be read: ${(error as Error).message}`);
  }
}

function scanPlain(text: string, take: RowVisitor): void {
  let line = 1;
  for (let start = 0; start < text.length; line++) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const row = text.slice(start, text[end - 1] === '\r' ? end - 1 : end);
    take(row.split(','), line);
    start = end + 1;
  }
}

// A field, and what ends it. Sticky, so that anything else at the position is a misplaced quote.
const FIELD = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\r?$)/y;

function scanQuoted(path: string, text: string, take: RowVisitor): void {
  let fields: string[] = [];
  let line = 1;
  let rowLine = 1;
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < text.length || fields.length > 0) {
    const match = FIELD.exec(text);
    if (match === null)
      throw new InputError(`${shownPath(path)}:${line}: a quote out of place, or one that is never closed`);
    const [, inQuotes, plain, end] = match;
    fields.push(inQuotes === undefined ? plain! : inQuotes.replaceAll('""', '"'));
    if (inQuotes?.includes('\n')) line += inQuotes.split('\n').length - 1;
    if (end === ',') continue;
    take(fields, rowLine);
    fields = [];
    rowLine = ++line;
  }
}
