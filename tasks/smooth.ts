// Smooths a model's predictions along each study's axis, with a width per class fitted on out-of-fold predictions only.
import { writeFileSync } from 'node:fs';
import { defineTask } from '../engine/task.ts';
import { applySmoothing, fitSmoothing, type Search } from './smoothing/fit.ts';
import { stacksOf } from './smoothing/stacks.ts';
import { labelsOf, readLabels } from './tables/labels.ts';
import { readMetadata } from './tables/metadata.ts';
import { readPredictions, writePredictions } from './tables/predictions.ts';

const SEARCH: Search = { smallestSigmaMm: 0.5, largestSigmaMm: 20, gridPoints: 12, toleranceMm: 0.01 };

export default defineTask({
  async run(context) {
    const oof = readPredictions(context.input('oof'));
    const test = readPredictions(context.input('test'));
    const labels = labelsOf(oof.images, readLabels(context.input('labels')));
    const stacks = stacksOf(oof.images, await readMetadata(context.input('train_table')));
    const testStacks = stacksOf(test.images, await readMetadata(context.input('test_table')));

    const fit = fitSmoothing(oof.values, labels, stacks, SEARCH);
    context.log(`sigma in mm: ${JSON.stringify(fit.sigmaMm)}; any raised to the largest subtype: ${fit.raiseAny}`);
    context.log(`out-of-fold loss ${fit.before.weighted} untouched, ${fit.after.weighted} smoothed`);
    context.metric('loss', fit.after.weighted!);

    writePredictions(context.output('oof'), { images: oof.images, values: applySmoothing(oof.values, stacks, fit) });
    writePredictions(context.output('test'), {
      images: test.images,
      values: applySmoothing(test.values, testStacks, fit),
    });
    writeFileSync(context.output('fit'), `${JSON.stringify(fit, null, 2)}\n`);
  },
});
