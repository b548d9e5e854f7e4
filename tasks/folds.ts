// Splits the training images into folds for cross-validation and writes train_N.csv, valid_N.csv and a table of what is in them.
// V1: grouped by patient, stratified on the six labels. V2: V1 with every patient removed from training who also appears in
// the image sets named by `without`. Or a team's own files, checked.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { defineTask, InputError, type TaskContext } from '../engine/task.ts';
import { distinct, shares, writeBalance, writeOverlap } from './folds/balance.ts';
import { type FoldRow, usableRows, writeFold } from './folds/rows.ts';
import { type Fold, makeFolds, patientsIn, readOwnFolds, withoutPatients } from './folds/schemes.ts';
import { readLabels, some } from './tables/labels.ts';
import { readMetadataColumns } from './tables/metadata.ts';

const params = z.object({ n_folds: z.int().min(2), seed: z.int() });
type Context = TaskContext<z.infer<typeof params>>;

export default defineTask({
  params,
  async run(context) {
    const table = await readMetadataColumns(context.input('table'), ['Image', 'PatientID', 'StudyInstanceUID']);
    const rows = usableRows(table, readLabels(context.input('labels')), context);
    const base = baseFolds(rows, context);
    const folder = context.output('csv');
    mkdirSync(folder, { recursive: true });
    const folds = await withoutOthers(base, rows, context);
    for (const [fold, { train, valid }] of folds.entries()) {
      writeFold(join(folder, `train_${fold}.csv`), train);
      writeFold(join(folder, `valid_${fold}.csv`), valid);
      context.log(`fold ${fold}: ${distinct(valid, 'patient')} patients, ${valid.length} images, ${shares(valid)}`);
    }
    writeBalance(folder, folds);
  },
});

function baseFolds(rows: readonly FoldRow[], context: Context): Fold[] {
  const { n_folds: count, seed } = context.params;
  const own = context.inputs('own');
  if (own.length > 1) throw new InputError(`a scheme takes one folder of its own, and "own" names ${own.length}`);
  if (own.length === 0) return makeFolds(rows, count, seed);
  const folds = readOwnFolds(own[0]!.path, rows, count);
  const validated = new Set(folds.flatMap(({ valid }) => valid.map((row) => row.image)));
  const never = rows.filter((row) => !validated.has(row.image)).map((row) => row.image);
  if (never.length > 0)
    context.warn(`validated by no fold, so without out-of-fold predictions: ${some(never, 'image')}`);
  return folds;
}

async function withoutOthers(folds: Fold[], rows: readonly FoldRow[], context: Context): Promise<Fold[]> {
  const sets = context.inputs('without');
  if (sets.length === 0) return folds;
  const others = new Set<string>();
  for (const { path } of sets) for (const patient of await patientsIn(path, rows)) others.add(patient);
  const kept = withoutPatients(folds, others);
  for (const [fold, patients, removed, images, removedImages] of writeOverlap(context.output('csv'), folds, kept)) {
    context.log(`fold ${fold}: ${removed} of ${patients} patients, ${removedImages} of ${images} images taken away`);
  }
  return kept;
}
