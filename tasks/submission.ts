// Writes the submission: exactly the sample submission's IDs in its order, with the ensemble's clipped probabilities.
import { basename } from 'node:path';
import { defineTask } from '../engine/task.ts';
import { arrange } from './submission/arrange.ts';
import { writeCsv } from './tables/csv.ts';
import { some } from './tables/labels.ts';
import { readPredictions } from './tables/predictions.ts';

/** A certain and wrong prediction would cost 34.5 at the metric's own clip; this costs 13.8. */
const CLIP = 1e-6;

export default defineTask({
  run(context) {
    const sample = context.input('sample');
    const { images, values } = readPredictions(context.input('predictions'));
    const { ids, places, extra, asked } = arrange(sample, images, 'what was not predicted');
    if (extra.length > 0) {
      context.warn(`predicted, but not asked for by ${basename(sample)} and left out: ${some(extra, 'image')}`);
    }
    writeCsv(
      context.output('csv'),
      ['ID', 'Label'],
      ids.map((id, i) => [id, Math.min(Math.max(values[places[i]!]!, CLIP), 1 - CLIP)]),
    );
    context.log(`${ids.length} rows for ${asked} images`);
  },
});
