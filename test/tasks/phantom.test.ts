import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseHeader, textOf } from '../../tasks/dicom/header.ts';
import { readCsv } from '../../tasks/tables/csv.ts';
import { runTask } from '../rigs/task.ts';

const scratch = mkdtempSync(join(tmpdir(), 'dag-phantom-'));
const params = { patients: 12, size: 64, shuffle_labels: false, seed: 3, stage: 'stage_2' };
const draw = (name: string, changes: object = {}) =>
  runTask('tasks/phantom.ts', { params: { ...params, ...changes }, out: { data: join(scratch, name) } });
const namesIn = (name: string, split: string) => readdirSync(join(scratch, name, `stage_2_${split}`)).sort();
const labelsOf = (name: string) => readCsv(join(scratch, name, 'stage_2_train.csv')).rows;

beforeAll(async () => {
  await draw('a');
  await draw('again');
  await draw('other', { seed: 4 });
  await draw('shuffled', { shuffle_labels: true });
});

describe('the phantom', () => {
  it('draws the same bytes from the same seed', () => {
    expect(namesIn('again', 'train')).toEqual(namesIn('a', 'train'));
    for (const file of ['stage_2_train.csv', 'stage_2_sample_submission.csv']) {
      expect(readFileSync(join(scratch, 'again', file))).toEqual(readFileSync(join(scratch, 'a', file)));
    }
    for (const name of namesIn('a', 'train').slice(0, 20)) {
      const read = (set: string) => readFileSync(join(scratch, set, 'stage_2_train', name));
      expect(read('again').equals(read('a'))).toBe(true);
    }
  });

  it('draws other patients from another seed', () => {
    const names = new Set(namesIn('a', 'train'));
    expect(namesIn('other', 'train').some((name) => names.has(name))).toBe(false);
  });

  it('labels every training image six times, in the order of the competition, with a few exact repeats', () => {
    const rows = labelsOf('a');
    const order = ['epidural', 'intraparenchymal', 'intraventricular', 'subarachnoid', 'subdural', 'any'];
    expect(rows.slice(0, 6).map(([id]) => id!.split('_')[2])).toEqual(order);
    const unique = new Set(rows.map((row) => row.join()));
    const images = new Set(rows.map(([id]) => `${id!.split('_').slice(0, 2).join('_')}.dcm`));
    expect([...images].sort()).toEqual(namesIn('a', 'train'));
    expect(unique.size).toBe(6 * images.size);
    expect(rows.length).toBe(unique.size + 18);
  });

  it('asks for every test image in the sample submission', () => {
    const { rows } = readCsv(join(scratch, 'a', 'stage_2_sample_submission.csv'));
    expect(rows.length).toBe(6 * namesIn('a', 'test').length);
  });

  it('calls an image "any" exactly where it has a kind of bleeding', () => {
    const rows = labelsOf('a');
    for (let i = 0; i < rows.length; i += 6) {
      const kinds = rows.slice(i, i + 5).some(([, label]) => label === '1');
      expect(rows[i + 5]![1]).toBe(kinds ? '1' : '0');
    }
  });

  it('has no patient in both train and test', () => {
    const patients = (split: string) =>
      new Set(
        namesIn('a', split).map((name) => {
          const header = parseHeader(readFileSync(join(scratch, 'a', `stage_2_${split}`, name)), 1e6);
          if ('reason' in header) throw new Error(header.reason);
          return textOf(header.dataSet, 'x00100020');
        }),
      );
    const train = patients('train');
    expect([...patients('test')].filter((patient) => train.has(patient))).toEqual([]);
  });

  it('deals the labels out again when asked to, and leaves images and frequencies as they are', () => {
    expect(namesIn('shuffled', 'train')).toEqual(namesIn('a', 'train'));
    const sorted = (name: string) =>
      labelsOf(name)
        .slice(0, -18)
        .map((row) => row.join())
        .sort();
    expect(sorted('shuffled')).not.toEqual(sorted('a'));
    const positives = (name: string) =>
      labelsOf(name)
        .slice(0, -18)
        .filter(([, label]) => label === '1').length;
    expect(positives('shuffled')).toBe(positives('a'));
  });
});
