// The training histories that the report draws: one JSON file a model and fold, one entry an epoch.
import * as z from 'zod';
import { type Artifact, InputError } from '../../engine/task.ts';
import type { LossPoint } from '../plots/loss.ts';
import { shownPath } from '../tables/csv.ts';
import { readJson } from '../tables/json.ts';

const EPOCHS = z.array(
  z.object({ epoch: z.number(), trainLoss: z.number(), validLoss: z.number(), lr: z.number().optional() }),
);
const HISTORY = z.union([EPOCHS, z.object({ epochs: EPOCHS }).transform(({ epochs }) => epochs)]);

/** In the order of the artifacts. InputError for a file that is no history. */
export function readHistories(artifacts: readonly Artifact[]): LossPoint[] {
  return artifacts.flatMap(({ path, axes }) => {
    const parsed = HISTORY.safeParse(readJson(path));
    if (!parsed.success)
      throw new InputError(`${shownPath(path)}: no training history: ${z.prettifyError(parsed.error)}`);
    return parsed.data.map((epoch) => ({ model: axes.model ?? 'model', fold: axes.fold ?? '0', ...epoch }));
  });
}
