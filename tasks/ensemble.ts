// Combines the models' smoothed predictions, fitted on out-of-fold predictions: a weighted mean in logit space, or stacking.
import { writeFileSync } from 'node:fs';
import * as z from 'zod';
import { type Artifact, defineTask, InputError } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { patientLookup } from './folds/lineage.ts';
import { weightedLogLoss } from './metrics.ts';
import { type Combination, combine } from './statistics/combine.ts';
import { fitWeights, logits, mixed, sigmoid } from './statistics/logit_mean.ts';
import { fitStacking, partOf, type Regression } from './statistics/stacking.ts';
import { labelsOf, readLabels, some } from './tables/labels.ts';
import { type Predictions, readPredictions, writePredictions } from './tables/predictions.ts';

/** Parts of the patients over which stacking is cross-fitted. */
const PARTS = 5;

export default defineTask({
  params: z.object({ method: z.enum(['mean', 'stacking']).default('mean') }),
  async run(context) {
    const oof = readModels(context.inputs('oof'), 'out-of-fold');
    const test = readModels(context.inputs('test'), 'test');
    const labels = labelsOf(oof.images, readLabels(context.input('labels')));
    const { method } = context.params;

    const oofLogits = oof.values.map(logits);
    const lossOf = (weights: readonly number[]): number => weightedLogLoss(mixed(oofLogits, weights), labels);
    const weights = fitWeights(oofLogits, labels);
    const only = (m: number): number[] => oof.models.map((_, other) => (other === m ? 1 : 0));
    const mean: Combined = {
      weights: byModel(oof.models, weights),
      values: mixed(oofLogits, weights),
    };
    const chosen =
      method === 'mean' ? mean : stack(oof, oofLogits, labels, await patientLookup(context.input('table')));
    const fit = {
      method,
      ...combinationOf(chosen),
      loss: {
        ensemble: weightedLogLoss(chosen.values, labels),
        mean: weightedLogLoss(mean.values, labels),
        equal_weights: lossOf(oof.models.map(() => 1 / oof.models.length)),
        models: byModel(
          oof.models,
          oof.models.map((_, m) => lossOf(only(m))),
        ),
      },
    };
    context.log(`${method}: ${JSON.stringify(combinationOf(chosen))}`);
    context.log(`out-of-fold loss ${JSON.stringify(fit.loss)}`);
    context.metric('loss', fit.loss.ensemble);

    writePredictions(context.output('oof'), { images: oof.images, values: chosen.values });
    writePredictions(context.output('test'), {
      images: test.images,
      values: combine(test.values, test.models, chosen),
    });
    writeFileSync(context.output('fit'), `${JSON.stringify(fit, null, 2)}\n`);
  },
});

function combinationOf({ weights, stacking }: Combined): Combination {
  return stacking ? { stacking } : { weights };
}

/** What was fitted, and the out-of-fold predictions of the whole, (N, 6). */
interface Combined extends Combination {
  readonly values: Float64Array;
}

/** Fitted on all; but each out-of-fold prediction comes from a fit without that part of the patients. */
function stack(
  { models, images }: Models,
  oofLogits: readonly Float64Array[],
  labels: Uint8Array,
  patientOf: ReadonlyMap<string, string>,
): Combined {
  const part = Uint8Array.from(images, (image) => partOf(patientOf.get(image) ?? image, PARTS));
  const values = new Float64Array(labels.length);
  for (let out = 0; out < PARTS; out++) {
    const stacking = asStacking(
      models,
      fitStacking(oofLogits, labels, (sample) => part[sample] !== out),
    );
    const own = combine(oofLogits.map(probabilities), models, { stacking });
    for (const [i, value] of own.entries()) if (part[Math.floor(i / CLASSES.length)] === out) values[i] = value;
  }
  return { stacking: asStacking(models, fitStacking(oofLogits, labels)), values };
}

function probabilities(odds: Float64Array): Float64Array {
  return odds.map(sigmoid);
}

function asStacking(models: readonly string[], fitted: readonly Regression[]): NonNullable<Combination['stacking']> {
  return Object.fromEntries(
    CLASSES.map((name, c) => {
      const { intercept, weights } = fitted[c]!;
      return [name, { intercept, weights: byModel(models, weights) }];
    }),
  );
}

function byModel(models: readonly string[], values: readonly number[]): Record<string, number> {
  return Object.fromEntries(models.map((model, m) => [model, values[m]!]));
}

interface Models {
  readonly models: string[];
  readonly images: readonly string[];
  /** One (N, 6) a model. */
  readonly values: Float64Array[];
}

function readModels(artifacts: readonly Artifact[], kind: string): Models {
  if (artifacts.length === 0) {
    throw new InputError('no model was trained; profile infer trains none: `dag run submission --profile infer`');
  }
  const models = artifacts.map(({ axes }, i) => axes.model ?? `model ${i + 1}`);
  const tables = artifacts.map(({ path }) => readPredictions(path));
  const images = tables[0]!.images;
  for (const [m, table] of tables.entries()) requireSameImages(images, models[0]!, table, models[m]!, kind);
  return { models, images, values: tables.map((table) => table.values) };
}

function requireSameImages(
  images: readonly string[],
  firstModel: string,
  table: Predictions,
  model: string,
  kind: string,
): void {
  const [first, own] = [new Set(images), new Set(table.images)];
  const lacking = images.filter((image) => !own.has(image));
  const extra = table.images.filter((image) => !first.has(image));
  if (lacking.length + extra.length === 0) return;
  const parts = [
    lacking.length > 0 ? `${model} lacks ${some(lacking, 'image')} that ${firstModel} has` : '',
    extra.length > 0 ? `${model} has ${some(extra, 'image')} that ${firstModel} lacks` : '',
  ];
  throw new InputError(`the ${kind} predictions cover different images: ${parts.filter(Boolean).join('; ')}`);
}
