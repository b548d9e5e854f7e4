import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { writePredictions } from '../../tasks/tables/predictions.ts';
import { runTask } from '../rigs/task.ts';
import { drawSlices, writeTable } from './tables.ts';

const root = mkdtempSync(join(tmpdir(), 'dag-submission-'));
afterAll(() => rmSync(root, { recursive: true }));

const TYPES = ['epidural', 'intraparenchymal', 'intraventricular', 'subarachnoid', 'subdural', 'any'];

let cases = 0;
async function submit(images: string[], ids: string[]) {
  const at = (name: string): string => join(root, `${cases}-${name}`);
  cases++;
  const values = Float64Array.from(images.flatMap((_, i) => [0, 1, 0.25, 0.5, 0.125, i / 8]));
  writePredictions(at('predictions.csv'), { images, values });
  writeFileSync(at('sample.csv'), ['ID,Label', ...ids.map((id) => `${id},0.5`), ''].join('\n'));
  const out = { csv: at('submission.csv') };
  try {
    const result = await runTask('tasks/submission.ts', {
      in: { predictions: at('predictions.csv'), sample: at('sample.csv') },
      out,
    });
    return { ...result, csv: readFileSync(out.csv, 'utf8') };
  } catch (error) {
    expect(existsSync(out.csv)).toBe(false);
    throw error;
  }
}

test('IDs are those of the sample in its order, probabilities those of their class, clipped', async () => {
  const ids = ['ID_b', 'ID_a'].flatMap((image) => TYPES.map((type) => `${image}_${type}`)).reverse();
  const { csv, warnings } = await submit(['ID_a', 'ID_b'], ids);
  expect(csv.split('\n')).toEqual([
    'ID,Label',
    'ID_a_any,0.000001',
    'ID_a_subdural,0.000001',
    'ID_a_subarachnoid,0.125',
    'ID_a_intraventricular,0.5',
    'ID_a_intraparenchymal,0.25',
    'ID_a_epidural,0.999999',
    'ID_b_any,0.000001',
    'ID_b_subdural,0.125',
    'ID_b_subarachnoid,0.125',
    'ID_b_intraventricular,0.5',
    'ID_b_intraparenchymal,0.25',
    'ID_b_epidural,0.999999',
    '',
  ]);
  expect(warnings).toEqual([]);
});

test('an ID that was not predicted is an error that names it', async () => {
  const ids = ['ID_a', 'ID_b'].flatMap((image) => TYPES.slice(0, 2).map((type) => `${image}_${type}`));
  await expect(submit(['ID_a'], ids)).rejects.toThrow(
    /sample.csv: asks for what was not predicted: 2 IDs: ID_b_epidural, ID_b_intraparenchymal$/,
  );
  await expect(submit(['ID_a'], ['ID_a_fracture'])).rejects.toThrow(/not predicted: 1 ID: ID_a_fracture$/);
});

test('an ID that stands twice is an error', async () => {
  await expect(submit(['ID_a'], ['ID_a_any', 'ID_a_any'])).rejects.toThrow(
    /sample.csv:3: ID ID_a_any stands at line 2/,
  );
});

test('predicted images that nobody asked for are left out, and named', async () => {
  const { csv, warnings } = await submit(['ID_a', 'ID_b', 'ID_c'], ['ID_b_any']);
  expect(csv).toBe('ID,Label\nID_b_any,0.000001\n');
  expect(warnings[0]).toMatch(/^predicted, but not asked for by .*sample.csv and left out: 2 images: ID_a, ID_c$/);
});

describe('before any training', () => {
  const slices = drawSlices({ patients: 1, slices: 2 });
  const ids = (images: readonly string[]): string[] =>
    images.flatMap((image) => TYPES.map((type) => `${image}_${type}`));

  async function check(asked: string[]) {
    const at = (name: string): string => join(root, `${cases}-${name}`);
    cases++;
    await writeTable(at('table.parquet'), slices);
    writeFileSync(at('sample.csv'), ['ID,Label', ...asked.map((id) => `${id},0.5`), ''].join('\n'));
    const out = { report: at('report.json') };
    await runTask('tasks/dry_submission.ts', { in: { table: at('table.parquet'), sample: at('sample.csv') }, out });
    return JSON.parse(readFileSync(out.report, 'utf8')) as unknown;
  }

  test('a sample whose images all have metadata passes', async () => {
    const images = slices.map((slice) => slice.image);
    expect(await check(ids(images))).toEqual({ rows: 6 * images.length, images: images.length, left_out: 0 });
  });

  test('a test image that was put aside is an error that names its IDs', async () => {
    await expect(check(ids([slices[0]!.image, 'ID_broken']))).rejects.toThrow(
      /what cannot be predicted, for the image was put aside .*: 6 IDs: ID_broken_epidural, /,
    );
  });
});
