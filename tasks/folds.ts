// Splits the training images into folds for cross-validation, grouped by patient and stratified on the six labels (scheme V1),
// and writes train_N.csv and valid_N.csv for each fold.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { defineTask, InputError } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { assignFolds } from './folds/assign.ts';
import { type FoldRow, patientsOf, usableRows, writeFold } from './folds/rows.ts';
import { readLabels } from './tables/labels.ts';
import { readMetadata } from './tables/metadata.ts';

export default defineTask({
  params: z.object({ n_folds: z.int().min(2), seed: z.int() }),
  async run(context) {
    const { n_folds: folds, seed } = context.params;
    const rows = usableRows(await readMetadata(context.input('table')), readLabels(context.input('labels')), context);
    const patients = patientsOf(rows);
    if (patients.length < folds) {
      throw new InputError(`${patients.length} patients for ${folds} folds: every fold needs one; lower n_folds`);
    }

    const foldOf = assignFolds(patients, folds, seed);
    const heldOut = new Map(patients.map((patient, i) => [patient.id, foldOf[i]!]));
    const folder = context.output('csv');
    mkdirSync(folder, { recursive: true });
    for (let fold = 0; fold < folds; fold++) {
      const isValid = (row: FoldRow): boolean => heldOut.get(row.patient) === fold;
      const valid = rows.filter(isValid);
      writeFold(
        join(folder, `train_${fold}.csv`),
        rows.filter((row) => !isValid(row)),
      );
      writeFold(join(folder, `valid_${fold}.csv`), valid);
      const inFold = foldOf.filter((at) => at === fold).length;
      context.log(`fold ${fold}: ${inFold} patients, ${valid.length} images, ${shares(valid)}`);
    }
  },
});

/** How frequent each label is, e.g. `any 14.0 %, …`. */
function shares(rows: readonly FoldRow[]): string {
  return CLASSES.map((name, c) => {
    const positive = rows.filter((row) => row.labels[c] === 1).length;
    return `${name} ${((100 * positive) / rows.length).toFixed(1)} %`;
  }).join(', ');
}
