// Combines the models' smoothed predictions, fitted on out-of-fold predictions: a weighted mean in logit space, or stacking.
import { writeFileSync } from 'node:fs';
import * as z from 'zod';
import { defineTask } from '../engine/task.ts';
import { patientLookup } from './folds/lineage.ts';
import { combine } from './statistics/combine.ts';
import { fitEnsemble } from './statistics/ensemble.ts';
import { labelsOf, readLabels } from './tables/labels.ts';
import { readModels } from './tables/models.ts';
import { writePredictions } from './tables/predictions.ts';

export default defineTask({
  params: z.object({ method: z.enum(['mean', 'stacking']).default('mean') }),
  async run(context) {
    const { method } = context.params;
    const oof = readModels(context.inputs('oof'), 'out-of-fold');
    const test = readModels(context.inputs('test'), 'test');
    const labels = labelsOf(oof.images, readLabels(context.input('labels')));
    const patientOf = method === 'stacking' ? await patientLookup(context.input('table')) : null;

    const { how, values, loss } = fitEnsemble(oof, labels, patientOf);
    context.log(`${method}: ${JSON.stringify(how)}`);
    context.log(`out-of-fold loss ${JSON.stringify(loss)}`);
    context.metric('loss', loss.ensemble);

    writePredictions(context.output('oof'), { images: oof.images, values });
    writePredictions(context.output('test'), { images: test.images, values: combine(test.values, test.models, how) });
    writeFileSync(
      context.output('fit'),
      `${JSON.stringify({ method, ...how, loss }, null, 2)}
`,
    );
  },
});
