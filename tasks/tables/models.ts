// The predictions of several models, of the same images.
import { type Artifact, InputError } from '../../engine/task.ts';
import { some } from './labels.ts';
import { type Predictions, readPredictions } from './predictions.ts';

export interface Models {
  readonly models: string[];
  readonly images: readonly string[];
  /** One (N, 6) a model. */
  readonly values: Float64Array[];
}

/** InputError where they cover different images; `kind` is for its message. */
export function readModels(artifacts: readonly Artifact[], kind: string): Models {
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
