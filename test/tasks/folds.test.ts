import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { Artifact } from '../../engine/task.ts';
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

interface Given {
  without?: Artifact[];
  own?: Artifact[];
}

async function split(
  params: object,
  slices = drawSlices({ patients: 23, slices: 12 }),
  unlabelled = 0,
  { without = [], own = [] }: Given = {},
) {
  const folder = mkdtempSync(join(root, 'case-'));
  const labelled = slices.slice(unlabelled);
  await writeTable(join(folder, 'table.parquet'), slices);
  const images = [...labelled.map((slice) => slice.image), 'ID_without_metadata'];
  const drawn = drawLabels(labelled, 3);
  writeLabels(join(folder, 'labels.csv'), { images, values: Uint8Array.from([...drawn, 0, 0, 0, 0, 0, 0]) });
  const result = await runTask('tasks/folds.ts', {
    params,
    in: { labels: join(folder, 'labels.csv'), table: join(folder, 'table.parquet'), without, own },
    out: { csv: join(folder, 'folds') },
  });
  return { folder: join(folder, 'folds'), labelled, drawn, ...result };
}

test('the files hold every image once in validation, no patient on both sides, and the labels unchanged', async () => {
  const { folder, labelled, drawn, logs } = await split({ n_folds: 3, seed: 1 }, undefined, 7);
  expect(readdirSync(folder).sort()).toEqual([
    'balance.csv',
    ...['train', 'valid'].flatMap((set) => [0, 1, 2].map((n) => `${set}_${n}.csv`)),
  ]);
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

const artifact = (path: string): Artifact => ({ path, axes: {} });
const column = (path: string, name: string): string[] => {
  const { header, rows } = readCsv(path);
  return rows.map((row) => row[header.indexOf(name)]!);
};

test('the balance table counts patients, studies, images and labels of each side', async () => {
  const { folder, labelled } = await split({ n_folds: 3, seed: 1 });
  const { header, rows } = readCsv(join(folder, 'balance.csv'));
  expect(header).toEqual(['Fold', 'Set', 'Patients', 'Studies', 'Images', ...CLASSES]);
  expect(rows).toHaveLength(6);
  for (const [fold, set, patients, studies, images, any] of rows) {
    const file = join(folder, `${set}_${fold}.csv`);
    expect(Number(patients)).toBe(new Set(column(file, 'PatientID')).size);
    expect(Number(studies)).toBe(new Set(column(file, 'StudyInstanceUID')).size);
    expect(Number(images)).toBe(column(file, 'Image').length);
    expect(Number(any)).toBe(column(file, 'any').filter((label) => label === '1').length);
  }
  const validated = rows.filter((row) => row[1] === 'valid').reduce((sum, row) => sum + Number(row[4]), 0);
  expect(validated).toBe(labelled.length);
});

describe('scheme V2', () => {
  const slices = drawSlices({ patients: 23, slices: 6 });
  const others = new Set(['P2', 'P7', 'P11']);
  const shared = slices.filter((slice) => others.has(slice.patient));
  const file = (name: string, lines: readonly string[]): Artifact[] => {
    writeFileSync(join(root, name), `${lines.join('\n')}\n`);
    return [artifact(join(root, name))];
  };

  test.each([
    [
      'a sample submission',
      () => file('sample.csv', ['ID,Label', ...shared.map(({ image }) => `${image}_any,0.5`), 'ID_elsewhere_any,0.5']),
    ],
    ['a list of patients', () => file('patients.csv', ['PatientID', ...others, 'P_elsewhere'])],
    [
      'a metadata table',
      async () => {
        await writeTable(
          join(root, 'others.parquet'),
          [...shared, { ...shared[0]!, image: 'ID_zzz', patient: 'P_elsewhere' }].slice(1),
        );
        return [artifact(join(root, 'others.parquet'))];
      },
    ],
  ])('is V1 without the patients of another set, given as %s', async (_, make) => {
    const v1 = await split({ n_folds: 3, seed: 1 }, slices);
    const v2 = await split({ n_folds: 3, seed: 1 }, slices, 0, { without: await make() });
    const overlap = readCsv(join(v2.folder, 'overlap.csv')).rows;
    for (const fold of [0, 1, 2]) {
      const at = (folder: string, set: string): string => join(folder, `${set}_${fold}.csv`);
      expect(readFileSync(at(v2.folder, 'valid'), 'utf8')).toBe(readFileSync(at(v1.folder, 'valid'), 'utf8'));
      const [before, after] = [readCsv(at(v1.folder, 'train')).rows, readCsv(at(v2.folder, 'train')).rows];
      expect(after).toEqual(before.filter((row) => !others.has(row[1]!)));
      const patients = new Set(before.map((row) => row[1]!));
      const removed = [...others].filter((patient) => patients.has(patient)).length;
      expect(overlap[fold]!.map(Number)).toEqual([
        fold,
        patients.size,
        removed,
        before.length,
        before.length - after.length,
      ]);
    }
    expect(overlap.some((row) => Number(row[2]) > 0)).toBe(true);
  });

  test('refuses an image list none of which is known, and says what to give instead', async () => {
    const without = file('unknown.csv', ['ID,Label', 'ID_elsewhere_any,0.5']);
    await expect(split({ n_folds: 3, seed: 1 }, slices, 0, { without })).rejects.toThrow(
      'give the metadata table of that set',
    );
  });
});

describe("a team's own folds", () => {
  const slices = drawSlices({ patients: 12, slices: 5 });
  let cases = 0;

  /** V1's files with one of them changed, then used as own files. */
  async function withOwn(change?: { file: string; to: (lines: string[]) => string[] }) {
    const v1 = await split({ n_folds: 2, seed: 1 }, slices);
    const own = join(root, `own${cases++}`);
    cpSync(v1.folder, own, { recursive: true });
    if (change) {
      const lines = readFileSync(join(own, change.file), 'utf8').trimEnd().split('\n');
      writeFileSync(join(own, change.file), `${change.to(lines).join('\n')}\n`);
    }
    const result = await split({ n_folds: 2, seed: 9 }, slices, 0, { own: [artifact(own)] });
    return { v1, ...result };
  }

  test('are taken as they are, whatever their order and columns', async () => {
    const turned = {
      file: 'train_0.csv',
      to: ([header, ...rows]: string[]) => [header!, ...rows.reverse()].map((row) => row.split(',')[0]!),
    };
    const { v1, folder } = await withOwn(turned);
    for (const name of readdirSync(folder))
      expect(readFileSync(join(folder, name), 'utf8')).toBe(readFileSync(join(v1.folder, name), 'utf8'));
  });

  test('with a patient on both sides are an error that names the patient', async () => {
    const valid = (await split({ n_folds: 2, seed: 1 }, slices)).folder;
    const [row] = readCsv(join(valid, 'valid_0.csv')).rows;
    const leak = withOwn({ file: 'train_0.csv', to: (lines) => [...lines, row!.join(',')] });
    await expect(leak).rejects.toThrow(`train_0.csv and valid_0.csv share 1 patient: ${row![1]}`);
  });

  test.each([
    [
      'an unknown image',
      (lines: string[]) => [...lines, 'ID_x,P1,s,0,0,0,0,0,0'],
      'not among the images with metadata and labels: 1 image: ID_x',
    ],
    ['an image twice', (lines: string[]) => [...lines, lines[1]!], 'stands there twice: 1 image: ID_'],
    [
      'another label',
      (lines: string[]) =>
        lines.map((line, i) => (i === 1 ? line.replace(/.$/, (last) => String(1 - Number(last))) : line)),
      'other labels than in the label table: 1 image: ID_',
    ],
    [
      'another patient',
      (lines: string[]) => lines.map((line, i) => (i === 1 ? line.replace(/,P\d+,/, ',P99,') : line)),
      'another PatientID than in the DICOM file: 1 image: ID_',
    ],
  ])('with %s are an error that names it', async (_, to, message) => {
    await expect(withOwn({ file: 'train_1.csv', to })).rejects.toThrow(message);
  });

  test('that are fewer than n_folds are an error that names the missing files', async () => {
    const { folder } = await split({ n_folds: 2, seed: 1 }, slices);
    await expect(split({ n_folds: 3, seed: 1 }, slices, 0, { own: [artifact(folder)] })).rejects.toThrow(
      'n_folds is 3, and it lacks train_2.csv, valid_2.csv',
    );
  });

  test('with images that no fold validates are used, with a warning', async () => {
    const { warnings } = await withOwn({ file: 'valid_0.csv', to: (lines) => lines.slice(0, -1) });
    expect(warnings).toEqual([
      expect.stringContaining('validated by no fold, so without out-of-fold predictions: 1 image'),
    ]);
  });
});
