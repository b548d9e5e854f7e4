// Fits how several models become one, on their out-of-fold predictions: a weighted mean in logit space, or stacking.
import { CLASSES } from '../classes.ts';
import { weightedLogLoss } from '../metrics.ts';
import { type Combination, combine } from './combine.ts';
import { fitWeights, logits, mixed, sigmoid } from './logit_mean.ts';
import { fitStacking, partOf, type Regression } from './stacking.ts';

/** Parts of the patients over which stacking is cross-fitted. */
const PARTS = 5;

/** Out-of-fold predictions, (N, 6) a model. */
interface Models {
  readonly models: readonly string[];
  readonly images: readonly string[];
  readonly values: readonly Float64Array[];
}

export interface Ensemble {
  readonly how: Combination;
  /** The out-of-fold predictions of the whole, (N, 6). */
  readonly values: Float64Array;
  /** Of the whole, of what else it could be, and of each model. */
  readonly loss: {
    readonly ensemble: number;
    readonly mean: number;
    readonly equal_weights: number;
    readonly models: Readonly<Record<string, number>>;
  };
}

/** Stacking where `patientOf` says who is whose, which it is cross-fitted by; else the mean. */
export function fitEnsemble(oof: Models, labels: Uint8Array, patientOf: ReadonlyMap<string, string> | null): Ensemble {
  const { models } = oof;
  const odds = oof.values.map(logits);
  const lossOf = (weights: readonly number[]): number => weightedLogLoss(mixed(odds, weights), labels);
  const weights = fitWeights(odds, labels);
  const only = (m: number): number[] => models.map((_, other) => (other === m ? 1 : 0));
  const mean = { how: { weights: byModel(models, weights) }, values: mixed(odds, weights) };
  const chosen = patientOf ? stack(oof, odds, labels, patientOf) : mean;
  const loss = {
    ensemble: weightedLogLoss(chosen.values, labels),
    mean: weightedLogLoss(mean.values, labels),
    equal_weights: lossOf(models.map(() => 1 / models.length)),
    models: byModel(
      models,
      models.map((_, m) => lossOf(only(m))),
    ),
  };
  return { ...chosen, loss };
}

/** Fitted on all; but each out-of-fold prediction comes from a fit without that part of the patients. */
function stack(
  { models, images }: Models,
  odds: readonly Float64Array[],
  labels: Uint8Array,
  patientOf: ReadonlyMap<string, string>,
): Omit<Ensemble, 'loss'> {
  const part = Uint8Array.from(images, (image) => partOf(patientOf.get(image) ?? image, PARTS));
  const values = new Float64Array(labels.length);
  for (let out = 0; out < PARTS; out++) {
    const stacking = asStacking(
      models,
      fitStacking(odds, labels, (sample) => part[sample] !== out),
    );
    const own = combine(odds.map(probabilities), models, { stacking });
    for (const [i, value] of own.entries()) if (part[Math.floor(i / CLASSES.length)] === out) values[i] = value;
  }
  return { how: { stacking: asStacking(models, fitStacking(odds, labels)) }, values };
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
