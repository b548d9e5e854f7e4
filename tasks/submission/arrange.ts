// A submission's rows: exactly the sample submission's IDs in its order, and where each one's prediction lies.
import { InputError } from '../../engine/task.ts';
import { CLASSES } from '../classes.ts';
import { columnsOf, scanCsv, shownPath } from '../tables/csv.ts';
import { classIndex, some, splitId } from '../tables/labels.ts';

export interface Arrangement {
  readonly ids: readonly string[];
  /** For each ID, the place of its prediction in an (N, 6) table of the images. */
  readonly places: Uint32Array;
  /** Images that the sample does not ask for. */
  readonly extra: readonly string[];
  /** How many images it does ask for. */
  readonly asked: number;
}

/** InputError, with file and line, for an ID that stands twice; naming the IDs that none of `images` can answer, which are `lack`. */
export function arrange(sample: string, images: readonly string[], lack: string): Arrangement {
  const ids = readIds(sample);
  const rowOf = new Map(images.map((image, i) => [image, i]));
  const asked = new Set<string>();
  const missing: string[] = [];
  const places = Uint32Array.from(ids, (id) => {
    const { image, name } = splitId(id) ?? { image: id, name: '' };
    asked.add(image);
    const [row, c] = [rowOf.get(image), classIndex(name)];
    if (row !== undefined && c >= 0) return row * CLASSES.length + c;
    missing.push(id);
    return 0;
  });
  if (missing.length > 0) {
    throw new InputError(`${shownPath(sample)}: asks for ${lack}: ${some(missing, 'ID')}`);
  }
  return { ids, places, extra: images.filter((image) => !asked.has(image)), asked: asked.size };
}

/** The IDs in order. */
function readIds(path: string): string[] {
  const lineOf = new Map<string, number>();
  scanCsv(path, (header) => {
    const [column] = columnsOf(path, header, ['ID']);
    return (fields, line) => {
      const id = fields[column!]!;
      const before = lineOf.get(id);
      if (before !== undefined)
        throw new InputError(`${shownPath(path)}:${line}: ID ${id} stands at line ${before} already`);
      lineOf.set(id, line);
    };
  });
  return [...lineOf.keys()];
}
