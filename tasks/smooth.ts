// Smooths a model's predictions along each series' axis, with a width per class fitted on out-of-fold predictions only.
import { writeFileSync } from 'node:fs';
import { defineTask } from '../engine/task.ts';
import { applySmoothing, fitSmoothing, type Search } from './smoothing/fit.ts';
import { STACK_COLUMNS, stacksOf } from './smoothing/stacks.ts';
import { groupsOf, lossChange } from './statistics/losses.ts';
import { labelsOf, readLabels } from './tables/labels.ts';
import { readMetadataColumns } from './tables/metadata.ts';
import { readPredictions, writePredictions } from './tables/predictions.ts';

const SEARCH: Search = { smallestSigmaMm: 0.5, largestSigmaMm: 20, gridPoints: 12, toleranceMm: 0.01 };

const REPLICATES = 1000;
const SEED = 1;

export default defineTask({
  async run(context) {
    const oof = readPredictions(context.input('oof'));
    const test = readPredictions(context.input('test'));
    const labels = labelsOf(oof.images, readLabels(context.input('labels')));
    const table = await readMetadataColumns(context.input('train_table'), [...STACK_COLUMNS, 'PatientID']);
    const stacks = stacksOf(oof.images, table);
    const testStacks = stacksOf(test.images, await readMetadataColumns(context.input('test_table'), STACK_COLUMNS));

    const fit = fitSmoothing(oof.values, labels, stacks, SEARCH);
    context.log(`sigma in mm: ${JSON.stringify(fit.sigmaMm)}; any raised to the largest subtype: ${fit.raiseAny}`);
    const smooth = applySmoothing(oof.values, stacks, fit);
    const patientOf = new Map(table.map((row) => [row.Image, row.PatientID]));
    const patients = groupsOf(oof.images.map((image) => patientOf.get(image) ?? image));
    const change = lossChange(oof.values, smooth, labels, { ...patients, replicates: REPLICATES, seed: SEED });
    context.log(`out-of-fold loss ${fit.before.weighted} untouched, ${fit.after.weighted} smoothed`);
    context.log(`change ${change.value}, 95 % interval over patients ${change.low} to ${change.high}`);
    context.metric('loss', fit.after.weighted!);

    writePredictions(context.output('oof'), { images: oof.images, values: smooth });
    writePredictions(context.output('test'), {
      images: test.images,
      values: applySmoothing(test.values, testStacks, fit),
    });
    writeFileSync(context.output('fit'), `${JSON.stringify({ ...fit, change }, null, 2)}\n`);
  },
});
