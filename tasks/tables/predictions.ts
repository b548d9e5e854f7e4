// A table of predictions: Image and six probabilities, one row an image.
import { InputError } from '../../engine/task.ts';
import { CLASSES } from '../classes.ts';
import { columnsOf, numberField, scanCsv, shownPath, writeCsv } from './csv.ts';

export interface Predictions {
  /** Ascending by code unit, each once. */
  readonly images: readonly string[];
  /** (N, 6) row-major in the order of CLASSES, each in 0..1. */
  readonly values: Float64Array;
}

/**
 * Sorted by image whatever the order of the file; other columns are ignored. InputError, with file and line: a missing
 * column, a repeated image, something that is no probability, no rows.
 */
export function readPredictions(path: string): Predictions {
  const rows: { image: string; values: number[] }[] = [];
  const lineOf = new Map<string, number>();
  scanCsv(path, (header) => {
    const [imageColumn, ...columns] = columnsOf(path, header, ['Image', ...CLASSES]);
    return (fields, line) => {
      const image = fields[imageColumn!]!;
      const before = lineOf.get(image);
      if (before !== undefined) {
        throw new InputError(`${shownPath(path)}:${line}: image ${image} has a prediction already at line ${before}`);
      }
      lineOf.set(image, line);
      rows.push({ image, values: columns.map((at, c) => probability(path, line, CLASSES[c]!, fields[at]!)) });
    };
  });
  if (rows.length === 0) throw new InputError(`${shownPath(path)}: no predictions in it`);
  rows.sort((a, b) => (a.image < b.image ? -1 : 1));
  const values = new Float64Array(rows.length * CLASSES.length);
  for (const [i, row] of rows.entries()) values.set(row.values, i * CLASSES.length);
  return { images: rows.map((row) => row.image), values };
}

export function writePredictions(path: string, { images, values }: Predictions): void {
  writeCsv(path, ['Image', ...CLASSES], rowsOf(images, values));
}

function* rowsOf(images: readonly string[], values: Float64Array): Generator<(string | number)[]> {
  for (let i = 0; i < images.length; i++) {
    yield [images[i]!, ...values.subarray(i * CLASSES.length, (i + 1) * CLASSES.length)];
  }
}

function probability(path: string, line: number, column: string, text: string): number {
  const value = numberField(path, line, column, text);
  if (value >= 0 && value <= 1) return value;
  throw new InputError(`${shownPath(path)}:${line}: column ${column} is ${text}; expected a probability, 0 to 1`);
}
