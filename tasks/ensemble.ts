// Combines the models' smoothed predictions: a weighted mean in logit space, with weights fitted on out-of-fold predictions.
import { writeFileSync } from 'node:fs';
import { type Artifact, defineTask, InputError } from '../engine/task.ts';
import { weightedLogLoss } from './metrics.ts';
import { fitWeights, logits, mixed } from './statistics/logit_mean.ts';
import { labelsOf, readLabels, some } from './tables/labels.ts';
import { type Predictions, readPredictions, writePredictions } from './tables/predictions.ts';

export default defineTask({
  run(context) {
    const oof = readModels(context.inputs('oof'), 'out-of-fold');
    const test = readModels(context.inputs('test'), 'test');
    const labels = labelsOf(oof.images, readLabels(context.input('labels')));

    const oofLogits = oof.values.map(logits);
    const equal = oof.models.map(() => 1 / oof.models.length);
    const lossOf = (weights: readonly number[]): number => weightedLogLoss(mixed(oofLogits, weights), labels);
    const weights = fitWeights(oofLogits, labels);
    const single = oof.models.map((_, m) => lossOf(oof.models.map((_, other) => (other === m ? 1 : 0))));
    const fit = {
      weights: Object.fromEntries(oof.models.map((model, m) => [model, weights[m]!])),
      loss: {
        ensemble: lossOf(weights),
        equal_weights: lossOf(equal),
        models: Object.fromEntries(oof.models.map((model, m) => [model, single[m]!])),
      },
    };
    context.log(`weights ${JSON.stringify(fit.weights)}`);
    context.log(`out-of-fold loss ${JSON.stringify(fit.loss)}`);
    context.metric('loss', fit.loss.ensemble);

    writePredictions(context.output('oof'), { images: oof.images, values: mixed(oofLogits, weights) });
    writePredictions(context.output('test'), { images: test.images, values: mixed(test.values.map(logits), weights) });
    writeFileSync(context.output('fit'), `${JSON.stringify(fit, null, 2)}\n`);
  },
});

interface Models {
  readonly models: string[];
  readonly images: readonly string[];
  /** One (N, 6) a model. */
  readonly values: Float64Array[];
}

function readModels(artifacts: readonly Artifact[], kind: string): Models {
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
