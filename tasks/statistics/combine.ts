// How several models' predictions become one: a weighted mean in logit space, or stacking (a logistic regression a class).
// Plain data, as it stands in out/ensemble/fit.json and as inference reads it.
import * as z from 'zod';
import { CLASSES } from '../classes.ts';
import { logits, mixed, sigmoid } from './logit_mean.ts';

const weights = z.record(z.string(), z.number());
const stacked = z.object({ intercept: z.number(), weights });

/** One of the two. Stacking, by class: the log odds are intercept + the weighted sum of the models' log odds of that class. */
export interface Combination {
  readonly weights?: Readonly<Record<string, number>> | undefined;
  readonly stacking?: Readonly<Record<string, z.infer<typeof stacked>>> | undefined;
}

export const combination: z.ZodType<Combination> = z
  .object({
    weights: weights.optional(),
    stacking: z.object(Object.fromEntries(CLASSES.map((name) => [name, stacked]))).optional(),
  })
  .refine((how) => modelsOf(how).length > 0, { message: 'no weights of models in it' });

export function modelsOf({ weights, stacking }: Combination): string[] {
  return Object.keys(stacking ? stacking[CLASSES[0]]!.weights : (weights ?? {}));
}

/** Probabilities (N, 6) from the models' (N, 6), given in the order of `names`. */
export function combine(models: readonly Float64Array[], names: readonly string[], how: Combination): Float64Array {
  const each = models.map(logits);
  if (!how.stacking)
    return mixed(
      each,
      names.map((name) => how.weights![name]!),
    );
  const width = CLASSES.length;
  const result = new Float64Array(each[0]!.length);
  for (const [c, name] of CLASSES.entries()) {
    const { intercept, weights: own } = how.stacking[name]!;
    const coefficients = names.map((model) => own[model]!);
    for (let i = c; i < result.length; i += width) {
      let odds = intercept;
      for (const [m, coefficient] of coefficients.entries()) odds += coefficient * each[m]![i]!;
      result[i] = sigmoid(odds);
    }
  }
  return result;
}
