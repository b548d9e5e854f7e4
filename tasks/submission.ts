// Writes the submission: exactly the sample submission's IDs in its order, with the ensemble's clipped probabilities.
import { basename } from 'node:path';
import { defineTask, InputError } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { columnsOf, scanCsv, shownPath, writeCsv } from './tables/csv.ts';
import { classIndex, some, splitId } from './tables/labels.ts';
import { readPredictions } from './tables/predictions.ts';

/** A certain and wrong prediction would cost 34.5 at the metric's own clip; this costs 13.8. */
const CLIP = 1e-6;

export default defineTask({
  run(context) {
    const sample = context.input('sample');
    const { images, values } = readPredictions(context.input('predictions'));
    const rowOf = new Map(images.map((image, i) => [image, i]));
    const ids = readIds(sample);

    const predicted = ids.map((id) => {
      const { image, name } = splitId(id) ?? { image: '', name: '' };
      const [row, c] = [rowOf.get(image), classIndex(name)];
      return row === undefined || c < 0 ? Number.NaN : row * CLASSES.length + c;
    });
    const missing = ids.filter((_, i) => Number.isNaN(predicted[i]));
    if (missing.length > 0) {
      throw new InputError(`${shownPath(sample)}: asks for what was not predicted: ${some(missing, 'ID')}`);
    }
    const asked = new Set(ids.map((id) => splitId(id)!.image));
    const extra = images.filter((image) => !asked.has(image));
    if (extra.length > 0) {
      context.warn(`predicted, but not asked for by ${basename(sample)} and left out: ${some(extra, 'image')}`);
    }

    writeCsv(
      context.output('csv'),
      ['ID', 'Label'],
      ids.map((id, i) => [id, Math.min(Math.max(values[predicted[i]!]!, CLIP), 1 - CLIP)]),
    );
    context.log(`${ids.length} rows for ${asked.size} images`);
  },
});

/** The IDs in order. InputError for one that stands there twice. */
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
