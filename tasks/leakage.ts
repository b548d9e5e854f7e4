// Before a model trains: for each of its folds, no patient may be on both sides. Patients are those of the DICOM files, not
// those that the fold's CSV claims. Fails with names; else writes what it checked.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { defineTask, InputError } from '../engine/task.ts';
import { foldFiles, patientLookup, readImages, sharedPatients } from './folds/lineage.ts';
import { shownPath } from './tables/csv.ts';
import { some } from './tables/labels.ts';

export default defineTask({
  params: z.object({ scheme: z.string(), n_folds: z.int().min(1) }),
  async run(context) {
    const patientOf = await patientLookup(context.input('table'));
    const folder = context.input('folds');
    const problems: string[] = [];
    const folds = Array.from({ length: context.params.n_folds }, (_, fold) => {
      const files = foldFiles(folder, fold);
      const [train, valid] = [readImages(files.train), readImages(files.valid)];
      const nameless = [...train, ...valid].filter((image) => !patientOf.get(image));
      if (nameless.length > 0) problems.push(`${shownPath(folder)}: no patient known for ${some(nameless, 'image')}`);
      const shared = sharedPatients(train, valid, patientOf);
      if (shared.length > 0) {
        problems.push(`${shownPath(files.train)} and valid_${fold}.csv share ${some(shared, 'patient', 20)}`);
      }
      return { fold, train_images: train.length, valid_images: valid.length, shared_patients: shared.length };
    });
    if (problems.length > 0) throw new InputError(`training would leak:\n${problems.join('\n')}`);
    const tables = { balance: textOf(folder, 'balance.csv'), overlap: textOf(folder, 'overlap.csv') };
    const report = { scheme: context.params.scheme, folds, ...tables };
    writeFileSync(context.output('report'), `${JSON.stringify(report, null, 2)}\n`);
    context.log(`${folds.length} folds: no patient is on both sides`);
  },
});

function textOf(folder: string, name: string): string | null {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : null;
}
