// The competition's long tables, `ID,Label` with six rows an image (labels, sample submission): read strictly, and every
// problem found collected rather than only the first.
import { CLASSES } from '../classes.ts';
import { columnsOf, scanCsv, shownPath } from './csv.ts';
import { splitId } from './labels.ts';
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
 * label that is no number (with `binary`: not 0 or 1), rows that contradict each other, an image with fewer than six rows.
 */
export function readIdTable(path: string, { binary }: { binary: boolean }, problems: string[]): IdTable {
  const images: string[] = [];
  const values: number[] = [];
  const lines: number[] = [];
  const rowOf = new Map<string, number>();
  // Images with a row that could not be read: that is said once, not again as a missing row.
  const misread = new Set<string>();
  const found = new Findings(path);
  let repeats = 0;

  scanCsv(path, (header) => {
    const [idColumn, labelColumn] = columnsOf(path, header, ['ID', 'Label']);
    return (fields, line) => {
      const id = fields[idColumn!]!;
      const parts = splitId(id);
      if (parts === undefined) return found.add('an ID is not of the form IMAGE_CLASS', `"${id}" at line ${line}`);
      const c = CLASSES.indexOf(parts.name as (typeof CLASSES)[number]);
      if (c < 0) {
        misread.add(parts.image);
        const close = nearest(parts.name, CLASSES);
        const hint = close === undefined ? `the classes are ${CLASSES.join(', ')}` : `did you mean "${close}"?`;
        return found.add(`unknown class "${parts.name}" (${hint})`, `${id} at line ${line}`);
      }
      const text = fields[labelColumn!]!;
      const value = text.trim() === '' ? Number.NaN : Number(text);
      if (binary ? value !== 0 && value !== 1 : !Number.isFinite(value)) {
        misread.add(parts.image);
        return found.add(`a label is not ${binary ? '0 or 1' : 'a number'}`, `"${text}" at line ${line}`);
      }
      const at = slot(parts.image) + c;
      if (lines[at] === 0) {
        values[at] = value;
        lines[at] = line;
      } else if (values[at] === value) repeats++;
      else {
        const both = `${id} is ${values[at]} at line ${lines[at]} and ${value} at line ${line}`;
        found.add('rows contradict each other', both);
      }
    };
  });

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

  messages(): string[] {
    return [...this.#kinds].map(([kind, { count, places }]) => {
      const more = count > places.length ? `, … (${count} in all)` : '';
      return `${shownPath(this.#path)}: ${kind}: ${places.join('; ')}${more}`;
    });
  }
}
