import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CLASSES } from '../../tasks/classes.ts';
import { writeCsv } from '../../tasks/tables/csv.ts';
import { writePredictions } from '../../tasks/tables/predictions.ts';
import { runTask } from '../rigs/task.ts';
import { drawLabels, drawPredictions, drawSlices, type Slice, writeTable } from './tables.ts';

const root = mkdtempSync(join(tmpdir(), 'dag-leakage-'));
afterAll(() => rmSync(root, { recursive: true }));

const slices = drawSlices({ patients: 6, slices: 3 });
const held = (slice: Slice): number => Number(slice.patient.slice(1)) % 2;
const values = drawPredictions(drawLabels(slices, 1), { skill: 1, noise: 1, seed: 1 });
let cases = 0;

interface Case {
  /** The rows of a side of a fold, changed. */
  sides?: (rows: Slice[], set: string, fold: number) => Slice[];
  /** What a fold predicts, and what is used in the end. */
  made?: (rows: Slice[], fold: number) => Slice[];
  used?: (values: Float64Array) => Float64Array;
}

async function prepare({ sides = (rows) => rows, made = (rows) => rows, used = (all) => all }: Case) {
  const folder = join(root, String(cases++));
  mkdirSync(join(folder, 'folds'), { recursive: true });
  await writeTable(join(folder, 'table.parquet'), slices);
  const predictions = (rows: readonly Slice[], from: Float64Array) => ({
    images: rows.map((row) => row.image),
    values: Float64Array.from(
      rows.flatMap((row) => [...from.subarray(slices.indexOf(row) * CLASSES.length).subarray(0, CLASSES.length)]),
    ),
  });
  for (const fold of [0, 1]) {
    for (const set of ['train', 'valid']) {
      const rows = sides(
        slices.filter((slice) => (held(slice) === fold) === (set === 'valid')),
        set,
        fold,
      );
      // The patient that the file claims is not to be believed.
      writeCsv(
        join(folder, `folds/${set}_${fold}.csv`),
        ['Image', 'PatientID'],
        rows.map((row) => [row.image, `${row.patient}-${set}`]),
      );
    }
    const predicted = made(
      slices.filter((slice) => held(slice) === fold),
      fold,
    );
    writePredictions(join(folder, `made_${fold}.csv`), predictions(predicted, values));
  }
  writePredictions(join(folder, 'used.csv'), predictions(slices, used(values)));
  return folder;
}

describe('before training', () => {
  async function check(change: Case) {
    const folder = await prepare(change);
    const out = { report: join(folder, 'out/report.json') };
    await runTask('tasks/leakage.ts', {
      params: { scheme: 'v1', n_folds: 2 },
      in: { folds: join(folder, 'folds'), table: join(folder, 'table.parquet') },
      out,
    });
    return JSON.parse(readFileSync(out.report, 'utf8')) as unknown;
  }

  test('folds that keep patients apart pass, and what was checked is written', async () => {
    expect(await check({})).toMatchObject({
      folds: [
        { fold: 0, shared_patients: 0 },
        { fold: 1, shared_patients: 0 },
      ],
    });
  });

  test('a patient on both sides fails with the name, whatever the file claims', async () => {
    const leak = check({
      sides: (rows, set, fold) =>
        set === 'train' && fold === 1 ? [...rows, slices.find((slice) => slice.patient === 'P3')!] : rows,
    });
    await expect(leak).rejects.toThrow(/train_1\.csv and valid_1\.csv share 1 patient: P3/);
  });

  test('an image whose patient is unknown fails with its name', async () => {
    const unknown = check({
      sides: (rows, set) => (set === 'valid' ? [...rows, { ...rows[0]!, image: 'ID_unknown' }] : rows),
    });
    await expect(unknown).rejects.toThrow('no patient known for 1 image: ID_unknown');
  });
});

describe('before smoothing', () => {
  async function check(change: Case) {
    const folder = await prepare(change);
    const out = { report: join(folder, 'out/report.json') };
    const made = [0, 1].map((fold) => ({
      path: join(folder, `made_${fold}.csv`),
      axes: { model: 'm', fold: String(fold) },
    }));
    await runTask('tasks/out_of_fold.ts', {
      in: { made, used: join(folder, 'used.csv'), folds: join(folder, 'folds'), table: join(folder, 'table.parquet') },
      out,
    });
    return JSON.parse(readFileSync(out.report, 'utf8')) as unknown;
  }
  const other = (fold: number): Slice => slices.find((slice) => held(slice) !== fold)!;

  test('predictions of the networks that held the images out pass', async () => {
    expect(await check({})).toEqual({
      folds: [
        { fold: 0, images: 12 },
        { fold: 1, images: 12 },
      ],
      images: 24,
    });
  });

  test('an image predicted by a network that trained on its patient fails with the patient', async () => {
    const leak = check({
      made: (rows, fold) => (fold === 0 ? [...rows, other(0)].sort((a, b) => (a.image < b.image ? -1 : 1)) : rows),
    });
    await expect(leak).rejects.toThrow(`predicted by a network that trained on them: 1 patient: ${other(0).patient}`);
  });

  test('an image that its fold did not predict fails with its name', async () => {
    const last = slices.filter((slice) => held(slice) === 1).at(-1)!;
    const missing = check({ made: (rows, fold) => (fold === 1 ? rows.slice(0, -1) : rows) });
    await expect(missing).rejects.toThrow(`in valid_1.csv, but not predicted: 1 image: ${last.image}`);
  });

  test('a number that no network gave fails with its image', async () => {
    const changed = check({ used: (all) => all.with(7, 0.123) });
    await expect(changed).rejects.toThrow(`not the numbers that smoothing is fitted on: 1 image: ${slices[1]!.image}`);
  });
});
