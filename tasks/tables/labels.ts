// The label table that the pipeline works with, one row an image (Image,any,epidural,…), and the IDs of the competition's files.
import { InputError } from '../../engine/task.ts';
import { CLASSES } from '../classes.ts';
import { columnsOf, scanCsv, shownPath, writeCsv } from './csv.ts';

export interface Labels {
  /** In the order of the file, each once. */
  readonly images: readonly string[];
  /** (N, 6) row-major in the order of CLASSES, 0 or 1. */
  readonly values: Uint8Array;
}

/** `ID_abc_subdural` is image `ID_abc`, class text `subdural` (which may not be a class). Undefined without both parts. */
export function splitId(id: string): { image: string; name: string } | undefined {
  const at = id.lastIndexOf('_');
  return at <= 0 || at === id.length - 1 ? undefined : { image: id.slice(0, at), name: id.slice(at + 1) };
}

/** The place in CLASSES, -1 when it is no class. */
export function classIndex(name: string): number {
  return (CLASSES as readonly string[]).indexOf(name);
}

/** InputError, with file and line: a missing column, a repeated image, a label other than 0 and 1. */
export function readLabels(path: string): Labels {
  const images: string[] = [];
  const values: number[] = [];
  const seen = new Set<string>();
  scanCsv(path, (header) => {
    const [imageColumn, ...columns] = columnsOf(path, header, ['Image', ...CLASSES]);
    return (fields, line) => {
      const image = fields[imageColumn!]!;
      if (seen.has(image)) throw new InputError(`${shownPath(path)}:${line}: image ${image} stands here a second time`);
      seen.add(image);
      images.push(image);
      for (const column of columns) values.push(binary(path, line, fields[column]!));
    };
  });
  return { images, values: Uint8Array.from(values) };
}

/** Ascending by image, in code units. */
export function sortedByImage({ images, values }: { images: readonly string[]; values: ArrayLike<number> }): Labels {
  const width = CLASSES.length;
  const order = images.map((_, i) => i).sort((a, b) => (images[a]! < images[b]! ? -1 : 1));
  const sorted = new Uint8Array(values.length);
  for (const [to, from] of order.entries()) {
    for (let c = 0; c < width; c++) sorted[to * width + c] = values[from * width + c]!;
  }
  return { images: order.map((row) => images[row]!), values: sorted };
}

export function writeLabels(path: string, { images, values }: Labels): void {
  const width = CLASSES.length;
  const rows = images.map((image, i) => [image, ...values.subarray(i * width, (i + 1) * width)]);
  writeCsv(path, ['Image', ...CLASSES], rows);
}

/** The labels of the given images, (N, 6). InputError naming the first images without one. */
export function labelsOf(images: readonly string[], labels: Labels): Uint8Array {
  const rowOf = new Map(labels.images.map((image, i) => [image, i]));
  const missing = images.filter((image) => !rowOf.has(image));
  if (missing.length > 0) throw new InputError(`no label for ${some(missing, 'image')}`);
  const width = CLASSES.length;
  const values = new Uint8Array(images.length * width);
  for (const [i, image] of images.entries()) {
    const row = rowOf.get(image)!;
    values.set(labels.values.subarray(row * width, (row + 1) * width), i * width);
  }
  return values;
}

/** `3 images: ID_a, ID_b, ID_c` — the count and the first few names, for messages. */
export function some(names: readonly string[], noun: string, shown = 5): string {
  const list = names.slice(0, shown).join(', ');
  return `${names.length} ${noun}${names.length === 1 ? '' : 's'}: ${list}${names.length > shown ? ', …' : ''}`;
}

function binary(path: string, line: number, text: string): number {
  if (text === '0' || text === '1') return text === '1' ? 1 : 0;
  throw new InputError(`${shownPath(path)}:${line}: label "${text}"; expected 0 or 1`);
}
