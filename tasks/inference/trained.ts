// What an earlier run left to predict with: a model's networks and smoothing, and how the models are combined.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { type Artifact, InputError } from '../../engine/task.ts';
import { CLASSES } from '../classes.ts';
import { type Combination, combination, modelsOf } from '../statistics/combine.ts';
import { shownPath } from '../tables/csv.ts';
import { readJson } from '../tables/json.ts';

const SMOOTHING = z.object({
  sigmaMm: z.object(Object.fromEntries(CLASSES.map((name) => [name, z.number().min(0)]))),
  raiseAny: z.boolean(),
});

export interface TrainedModel {
  readonly name: string;
  /** Paths of the folds' ONNX files, in the order of the folds. */
  readonly networks: readonly string[];
  readonly smoothing: z.infer<typeof SMOOTHING>;
}

export interface Trained {
  readonly models: readonly TrainedModel[];
  readonly ensemble: Combination;
}

/**
 * Each of the first two is a list of this run's files, or one folder: MODEL/foldN/model.onnx, MODEL/fit.json. Models are those
 * that the ensemble names. InputError for a model without a network or a smoothing.
 */
export function readTrained(
  networks: readonly Artifact[],
  smoothing: readonly Artifact[],
  ensemble: readonly Artifact[],
): Trained {
  const fit = parse(combination, ensemble[0]!.path, 'how models are combined');
  const models = modelsOf(fit).map((name) => {
    const fitted =
      smoothing.find(({ axes }) => axes.model === name)?.path ?? join(smoothing[0]!.path, name, 'fit.json');
    return { name, networks: networksOf(name, networks), smoothing: parse(SMOOTHING, fitted, 'a fitted smoothing') };
  });
  return { models, ensemble: fit };
}

function networksOf(model: string, given: readonly Artifact[]): string[] {
  const own = given.filter(({ axes }) => axes.model === model).map(({ path }) => path);
  if (own.length > 0) return own;
  const folder = join(given[0]!.path, model);
  const folds = existsSync(folder) ? readdirSync(folder).filter((name) => /^fold\d+$/.test(name)) : [];
  const paths = folds
    .sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
    .map((name) => join(folder, name, 'model.onnx'));
  const missing = paths.filter((path) => !existsSync(path));
  if (paths.length > 0 && missing.length === 0) return paths;
  throw new InputError(
    `the ensemble names model ${model}, and ${shownPath(missing[0] ?? join(folder, 'fold0/model.onnx'))} does not exist`,
  );
}

function parse<T>(schema: z.ZodType<T>, path: string, what: string): T {
  const parsed = schema.safeParse(readJson(path));
  if (parsed.success) return parsed.data;
  throw new InputError(`${shownPath(path)}: does not say ${what}: ${z.prettifyError(parsed.error)}`);
}
