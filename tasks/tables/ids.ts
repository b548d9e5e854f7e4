// The competition's long tables, `ID,Label` with six rows an image (labels, sample submission): read strictly, and every
// problem found collected rather than only the first.
import { InputError } from '../../engine/task.ts';
import { CLASSES } from '../classes.ts';
import { columnsOf, type RowVisitor, scanCsv, shownPath } from './csv.ts';
import { classIndex, splitId } from './labels.ts';
import { nearest } from './nearest.ts';

export interface IdTable {
  /** In the order in which they first stand in the file. */
  readonly images: string[];
  /** (N, 6) in the order of CLASSES; -1 where a row is missing (then there is a problem too). */
  readonly values: number[];
  /** How many rows repeated an earlier one exactly and were dropped. */
  readonly repeats: number;
}

const SHOWN = 5;

/**
 * Adds one message a kind of problem, with the first few places and the count: an ID of another form, an unknown class, a
 * label that is not 0 or 1, rows that contradict each other, an image with fewer than six rows. In a sample submission any
 * number will do for a label, and no ID may stand twice. Undefined, and a problem, where the file is no such table.
 */
export function readIdTable(
  path: string,
  { isSample }: { isSample: boolean },
  problems: string[],
): IdTable | undefined {
  const images: string[] = [];
  const values: number[] = [];
  const lines: number[] = [];
  const rowOf = new Map<string, number>();
  // Images with a row that could not be read: that is said once, not again as a missing row.
  const misread = new Set<string>();
  const found = new Findings(path);
  let repeats = 0;

  const begin = (header: string[]): RowVisitor => {
    const [idColumn, labelColumn] = columnsOf(path, header, ['ID', 'Label']);
    return (fields, line) => {
      const id = fields[idColumn!]!;
      const parts = splitId(id);
      if (parts === undefined) return found.add('an ID is not of the form IMAGE_CLASS', `"${id}" at line ${line}`);
      const c = classIndex(parts.name);
      if (c < 0) {
        misread.add(parts.image);
        const close = nearest(parts.name, CLASSES);
        const hint = close === undefined ? `the classes are ${CLASSES.join(', ')}` : `did you mean "${close}"?`;
        return found.add(`unknown class "${parts.name}" (${hint})`, `${id} at line ${line}`);
      }
      const text = fields[labelColumn!]!;
      const value = text.trim() === '' ? Number.NaN : Number(text);
      if (isSample ? !Number.isFinite(value) : value !== 0 && value !== 1) {
        misread.add(parts.image);
        return found.add(`a label is not ${isSample ? 'a number' : '0 or 1'}`, `"${text}" at line ${line}`);
      }
      const at = slot(parts.image) + c;
      if (lines[at] === 0) {
        values[at] = value;
        lines[at] = line;
      } else if (isSample) found.add('an ID stands there twice', `${id} at lines ${lines[at]} and ${line}`);
      else if (values[at] === value) repeats++;
      else {
        const both = `${id} is ${values[at]} at line ${lines[at]} and ${value} at line ${line}`;
        found.add('rows contradict each other', both);
      }
    };
  };
  try {
    scanCsv(path, begin);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    problems.push(error.message);
    return undefined;
  }

  /** Where the image's six values begin. */
  function slot(image: string): number {
    let row = rowOf.get(image);
    if (row === undefined) {
      row = images.push(image) - 1;
      rowOf.set(image, row);
      for (let c = 0; c < CLASSES.length; c++) {
        values.push(-1);
        lines.push(0);
      }
    }
    return row * CLASSES.length;
  }

  for (const [row, image] of images.entries()) {
    if (misread.has(image)) continue;
    const missing = CLASSES.filter((_, c) => lines[row * CLASSES.length + c] === 0);
    if (missing.length > 0) found.add('an image has fewer than six rows', `${image} lacks ${missing.join(', ')}`);
  }
  if (lines.length === 0 && found.none()) problems.push(`${shownPath(path)}: no rows in it`);
  problems.push(...found.messages());
  return { images, values, repeats };
}

/** Places by kind of problem: how many, and the first few. */
class Findings {
  readonly #path: string;
  readonly #kinds = new Map<string, { count: number; places: string[] }>();

  constructor(path: string) {
    this.#path = path;
  }

  add(kind: string, place: string): void {
    const known = this.#kinds.get(kind) ?? { count: 0, places: [] };
    known.count++;
    if (known.places.length < SHOWN) known.places.push(place);
    this.#kinds.set(kind, known);
  }

  none(): boolean {
    return this.#kinds.size === 0;
  }

  messages(): string[] {
    return [...this.#kinds].map(([kind, { count, places }]) => {
      const more = count > places.length ? `, … (${count} in all)` : '';
      return `${shownPath(this.#path)}: ${kind}: ${places.join('; ')}${more}`;
    });
  }
}
