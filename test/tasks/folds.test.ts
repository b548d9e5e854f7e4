import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { CLASSES } from '../../tasks/classes.ts';
import { assignFolds, type Patient } from '../../tasks/folds/assign.ts';
import { createRandom } from '../../tasks/learning/random.ts';
import { readCsv } from '../../tasks/tables/csv.ts';
import { writeLabels } from '../../tasks/tables/labels.ts';
import { runTask } from '../rigs/task.ts';
import { drawLabels, drawSlices, writeTable } from './tables.ts';

const root = mkdtempSync(join(tmpdir(), 'dag-folds-'));
afterAll(() => rmSync(root, { recursive: true }));

const patientList = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 6 }),
    counts: fc.tuple(fc.integer({ min: 1, max: 60 }), fc.nat(20), fc.nat(5)).map((counts) => counts as number[]),
  }),
  { selector: (patient) => patient.id, minLength: 5, maxLength: 60 },
);

/** The sum over labels of squared shares, whose least is 1/folds a label: what the assignment balances. */
function imbalance(patients: readonly Patient[], foldOf: readonly number[], folds: number): number {
  let total = 0;
  for (let c = 0; c < patients[0]!.counts.length; c++) {
    const all = patients.reduce((sum, { counts }) => sum + counts[c]!, 0);
    if (all === 0) continue;
    for (let fold = 0; fold < folds; fold++) {
      const own = patients.reduce((sum, { counts }, i) => sum + (foldOf[i] === fold ? counts[c]! : 0), 0);
      total += (own / all) ** 2;
    }
  }
  return total;
}

test('every patient is in one fold, no fold is empty, and the order of the patients does not matter', () => {
  fc.assert(
    fc.property(patientList, fc.integer({ min: 2, max: 5 }), fc.nat(), fc.nat(), (patients, folds, seed, turn) => {
      const foldOf = assignFolds(patients, folds, seed);
      expect(new Set(foldOf)).toEqual(new Set(Array.from({ length: folds }, (_, i) => i)));
      const at = turn % patients.length;
      const turned = [...patients.slice(at), ...patients.slice(0, at)].reverse();
      const again = assignFolds(turned, folds, seed);
      expect(turned.map(({ id }, i) => [id, again[i]]).sort()).toEqual(
        patients.map(({ id }, i) => [id, foldOf[i]]).sort(),
      );
    }),
  );
});

test('no single move makes the folds more even', () => {
  fc.assert(
    fc.property(patientList, fc.integer({ min: 2, max: 4 }), (patients, folds) => {
      const foldOf = assignFolds(patients, folds, 1);
      const best = imbalance(patients, foldOf, folds);
      for (const [i, from] of foldOf.entries()) {
        if (foldOf.filter((fold) => fold === from).length === 1) continue;
        for (let to = 0; to < folds; to++) {
          const moved = foldOf.with(i, to);
          expect(imbalance(patients, moved, folds)).toBeGreaterThan(best - 1e-9);
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('with many patients, each fold has its share of images and of every label, to within the size of a patient', () => {
  const random = createRandom(5);
  const patients = Array.from({ length: 1500 }, (_, i) => {
    const images = 24 + Math.floor(random.next() * 30);
    // As frequent as in the competition: subdural most, epidural least.
    const counts = [0.01, 0.12, 0.09, 0.12, 0.16].map((p) =>
      random.next() < p ? 1 + Math.floor(random.next() * 15) : 0,
    );
    return { id: `P${i}`, counts: [images, Math.max(...counts), ...counts] };
  });
  for (const seed of [1, 2]) {
    const foldOf = assignFolds(patients, 5, seed);
    for (let c = 0; c < 7; c++) {
      // Epidural stands in some fifteen patients of up to fifteen images each; the others in hundreds.
      const all = patients.reduce((sum, { counts }) => sum + counts[c]!, 0);
      for (let fold = 0; fold < 5; fold++) {
        const own = patients.reduce((sum, { counts }, i) => sum + (foldOf[i] === fold ? counts[c]! : 0), 0);
        expect(Math.abs(own / all - 0.2)).toBeLessThan(c === 2 ? 0.02 : 0.002);
      }
    }
  }
  expect(assignFolds(patients, 5, 1)).not.toEqual(assignFolds(patients, 5, 2));
});

async function split(params: object, slices = drawSlices({ patients: 23, slices: 12 }), unlabelled = 0) {
  const folder = mkdtempSync(join(root, 'case-'));
  const labelled = slices.slice(unlabelled);
  await writeTable(join(folder, 'table.parquet'), slices);
  const images = [...labelled.map((slice) => slice.image), 'ID_without_metadata'];
  const drawn = drawLabels(labelled, 3);
  writeLabels(join(folder, 'labels.csv'), { images, values: Uint8Array.from([...drawn, 0, 0, 0, 0, 0, 0]) });
  const result = await runTask('tasks/folds.ts', {
    params,
    in: { labels: join(folder, 'labels.csv'), table: join(folder, 'table.parquet') },
    out: { csv: join(folder, 'folds') },
  });
  return { folder: join(folder, 'folds'), labelled, drawn, ...result };
}

test('the files hold every image once in validation, no patient on both sides, and the labels unchanged', async () => {
  const { folder, labelled, drawn, logs } = await split({ n_folds: 3, seed: 1 }, undefined, 7);
  expect(readdirSync(folder).sort()).toEqual(
    ['train', 'valid'].flatMap((set) => [0, 1, 2].map((n) => `${set}_${n}.csv`)),
  );
  const seen: string[] = [];
  const expected = new Map(
    labelled.map(({ image, patient, study }, i) => {
      const values = [...drawn.subarray(i * CLASSES.length, (i + 1) * CLASSES.length)].map(String);
      return [image, [image, patient, study, ...values]];
    }),
  );
  for (const fold of [0, 1, 2]) {
    const train = readCsv(join(folder, `train_${fold}.csv`));
    const valid = readCsv(join(folder, `valid_${fold}.csv`));
    expect(valid.header).toEqual(['Image', 'PatientID', 'StudyInstanceUID', ...CLASSES]);
    expect(train.rows.length + valid.rows.length).toBe(labelled.length);
    const held = new Set(valid.rows.map((row) => row[1]));
    expect(train.rows.filter((row) => held.has(row[1]))).toEqual([]);
    for (const row of [...train.rows, ...valid.rows]) expect(row).toEqual(expected.get(row[0]!));
    seen.push(...valid.rows.map((row) => row[0]!));
  }
  expect(seen.sort()).toEqual(labelled.map((slice) => slice.image));
  expect(logs).toContain('labelled but without metadata, in no fold: 1 image: ID_without_metadata');
});

test('the same seed gives the same bytes, another seed other folds', async () => {
  const read = async (seed: number): Promise<string> => {
    const { folder } = await split({ n_folds: 4, seed });
    return readFileSync(join(folder, 'valid_0.csv'), 'utf8');
  };
  expect(await read(1)).toBe(await read(1));
  expect(await read(1)).not.toBe(await read(2));
});

test('images without a PatientID are left out with a warning', async () => {
  const slices = drawSlices({ patients: 8, slices: 4 }).map((slice, i) => (i < 2 ? { ...slice, patient: '' } : slice));
  const { warnings } = await split({ n_folds: 2, seed: 1 }, slices);
  expect(warnings).toEqual([`without a PatientID, in no fold: 2 images: ${slices[0]!.image}, ${slices[1]!.image}`]);
});

test('fewer patients than folds is an error', async () => {
  const few = split({ n_folds: 4, seed: 1 }, drawSlices({ patients: 3, slices: 4 }));
  await expect(few).rejects.toThrow('3 patients for 4 folds: every fold needs one; lower n_folds');
});
