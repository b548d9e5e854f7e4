import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runTask, type TaskResult } from '../rigs/task.ts';

const root = mkdtempSync(join(tmpdir(), 'dag-labels-'));
afterAll(() => rmSync(root, { recursive: true }));

const TYPES = ['epidural', 'intraparenchymal', 'intraventricular', 'subarachnoid', 'subdural', 'any'];
let cases = 0;

/** Six rows in the competition's order, positive for the given types. */
function rowsOf(image: string, positive: readonly string[] = []): string[] {
  return TYPES.map((type) => `${image}_${type},${positive.includes(type) ? 1 : 0}`);
}

interface Data {
  labels: string[];
  sample?: string[];
  train?: string[];
  test?: string[];
}

/** Runs the task on a data set of two training and two test images, changed as told. */
async function check({
  labels,
  sample = [...rowsOf('ID_t2'), ...rowsOf('ID_t1')],
  train = ['ID_a.dcm', 'ID_b.dcm'],
  test = ['ID_t1.dcm', 'ID_t2.dcm'],
}: Data): Promise<TaskResult & { csv: string }> {
  const folder = join(root, String(cases++));
  const files: [string, string[]][] = [
    ['train', train],
    ['test', test],
  ];
  for (const [name, list] of files) {
    mkdirSync(join(folder, name), { recursive: true });
    for (const file of list) writeFileSync(join(folder, name, file), '');
  }
  writeFileSync(join(folder, 'train.csv'), ['ID,Label', ...labels, ''].join('\n'));
  writeFileSync(join(folder, 'sample.csv'), ['ID,Label', ...sample, ''].join('\n'));
  const csv = join(folder, 'out/labels.csv');
  const inputs = { labels: 'train.csv', sample: 'sample.csv', train: 'train', test: 'test' };
  const paths = Object.fromEntries(Object.entries(inputs).map(([name, path]) => [name, join(folder, path)]));
  try {
    return { ...(await runTask('tasks/labels.ts', { in: paths, out: { csv } })), csv: readFileSync(csv, 'utf8') };
  } catch (error) {
    const { name, message } = error as Error;
    expect(name).toBe('InputError');
    expect(existsSync(csv)).toBe(false);
    throw new Error(message.replaceAll(`${folder}/`, ''));
  }
}

const good = [...rowsOf('ID_b', ['subdural', 'any']), ...rowsOf('ID_a')];

test('the output has one row an image, sorted, in the order of the classes', async () => {
  const { csv, warnings } = await check({ labels: good });
  expect(csv).toBe(
    'Image,any,epidural,intraparenchymal,intraventricular,subarachnoid,subdural\nID_a,0,0,0,0,0,0\nID_b,1,0,0,0,0,1\n',
  );
  expect(warnings).toEqual([]);
});

test('exact repeats are dropped and counted', async () => {
  const { csv, logs } = await check({ labels: [...good, good[1]!, good[1]!] });
  expect(csv.split('\n').length).toBe(4);
  expect(logs).toContain('2 rows that repeat another exactly were dropped');
});

test('images without a label, images that nobody asked for and an odd "any" are warnings', async () => {
  const { csv, warnings } = await check({
    labels: [...rowsOf('ID_a', ['epidural']), ...rowsOf('ID_b')],
    train: ['ID_a.dcm', 'ID_b.dcm', 'ID_d.dcm', 'ID_c.dcm', 'notes.txt'],
    test: ['ID_t1.dcm', 'ID_t2.dcm', 'ID_t3.dcm'],
  });
  expect(csv).toContain('ID_a,0,1,0,0,0,0\n');
  expect(warnings).toEqual([
    'without a label, not used for training: 2 images: ID_c, ID_d',
    'not asked for by sample.csv, left out of the submission: 1 image: ID_t3',
    '"any" disagrees with the five subtypes in 1 image: ID_a',
  ]);
});

describe('each of these is one clear error, and nothing is written', () => {
  const cases: [string, Data, string][] = [
    [
      'contradictory repeats',
      { labels: [...good, 'ID_a_any,1'] },
      'train.csv: rows contradict each other: ID_a_any is 0 at line 13 and 1 at line 14',
    ],
    [
      'a misspelt class',
      { labels: good.map((row) => row.replace('ID_a_subdural', 'ID_a_subdral')) },
      'train.csv: unknown class "subdral" (did you mean "subdural"?): ID_a_subdral at line 12',
    ],
    [
      'an unknown class',
      { labels: [...good, 'ID_a_fracture,0'] },
      'train.csv: unknown class "fracture" (the classes are any, epidural, intraparenchymal, intraventricular, subarachnoid, subdural): ID_a_fracture at line 14',
    ],
    [
      'fewer than six rows',
      { labels: good.filter((row) => !/ID_a_(any|subdural)/.test(row)) },
      'train.csv: an image has fewer than six rows: ID_a lacks any, subdural',
    ],
    [
      'a label that is not 0 or 1',
      { labels: good.map((row) => row.replace('ID_a_any,0', 'ID_a_any,0.5')) },
      'train.csv: a label is not 0 or 1: "0.5" at line 13',
    ],
    [
      'labels without an image file',
      { labels: [...good, ...['z', 'y', 'x', 'w', 'v', 'u'].flatMap((name) => rowsOf(`ID_${name}`))] },
      'train.csv: a label without an image file in train for 6 images: ID_u, ID_v, ID_w, ID_x, ID_y, …',
    ],
    [
      'a test image that is not there',
      { labels: good, test: ['ID_t1.dcm'] },
      'sample.csv: a row without an image file in test for 1 image: ID_t2',
    ],
    [
      'an ID that the sample submission has twice',
      { labels: good, sample: [...rowsOf('ID_t1'), ...rowsOf('ID_t2'), 'ID_t1_any,0.5'] },
      'sample.csv: an ID stands there twice: ID_t1_any at lines 7 and 14',
    ],
    [
      'an ID of another form',
      { labels: [...good, 'any,0'] },
      'train.csv: an ID is not of the form IMAGE_CLASS: "any" at line 14',
    ],
    [
      'a row with a third column',
      { labels: [...good, 'ID_a_any,0,0'] },
      'train.csv:14: 3 columns; expected 2 as in the header',
    ],
    ['no labels', { labels: [], train: [] }, 'train.csv: no rows in it\ntrain: no .dcm files in this folder'],
  ];
  test.each(cases)('%s', async (_, data, message) => {
    await expect(check(data)).rejects.toThrow(new Error(message));
  });

  test('all that is wrong is said at once', async () => {
    const labels = [...good.map((row) => row.replace('ID_b_any,1', 'ID_b_any,yes')), 'ID_a_any,1', ...rowsOf('ID_x')];
    const problems = await check({ labels, test: ['ID_t2.dcm'] }).catch((error: Error) => error.message.split('\n'));
    expect(problems).toHaveLength(4);
  });
});

describe('without labels, as for inference', () => {
  async function check(files: string[]) {
    const folder = join(root, String(cases++));
    mkdirSync(join(folder, 'images'), { recursive: true });
    for (const file of files) writeFileSync(join(folder, 'images', file), '');
    const images = join(folder, 'images');
    const csv = join(folder, 'labels.csv');
    const result = await runTask('tasks/labels.ts', {
      in: { labels: [], sample: [], train: images, test: images },
      out: { csv },
    });
    return { ...result, csv: readFileSync(csv, 'utf8') };
  }

  test('the images are counted, and the table has no rows', async () => {
    const { csv, logs } = await check(['a.dcm', 'b.dcm']);
    expect(logs).toEqual(['2 images, without labels']);
    expect(csv.split('\n')).toHaveLength(2);
  });

  test('a folder without images is an error', async () => {
    await expect(check(['notes.txt'])).rejects.toThrow('images: no .dcm files in this folder');
  });
});
