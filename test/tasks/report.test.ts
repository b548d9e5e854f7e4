import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Artifact } from '../../engine/task.ts';
import { CLASSES, type ClassName } from '../../tasks/classes.ts';
import { auc, weightedLogLoss } from '../../tasks/metrics.ts';
import { drawStudy } from '../../tasks/phantom/study.ts';
import type { OperatingPoint } from '../../tasks/report/operating.ts';
import type { Scores } from '../../tasks/report/scores.ts';
import { column } from '../../tasks/report/scores.ts';
import { writeLabels } from '../../tasks/tables/labels.ts';
import { readPredictions, writePredictions } from '../../tasks/tables/predictions.ts';
import { runTask } from '../rigs/task.ts';
import { drawLabels, drawPredictions, drawSlices, writeTable } from './tables.ts';

// KEEP=folder leaves the drawn report there, to be looked at.
const root = process.env.KEEP ?? mkdtempSync(join(tmpdir(), 'dag-report-'));
afterAll(() => {
  if (process.env.KEEP === undefined) rmSync(root, { recursive: true });
});

const MODELS = ['efficientnet_small_adjacent', 'efficientnet_small_windows'];
const slices = drawSlices({ patients: 40, slices: 20 });
const images = slices.map((slice) => slice.image);
const labels = drawLabels(slices, 1);

const at = (name: string): string => join(root, name);
const perModel = (name: string): Artifact[] =>
  MODELS.map((model) => ({ path: at(`${model}-${name}`), axes: { model } }));
const history = MODELS.flatMap((model) =>
  ['0', '1'].map((fold) => ({ path: at(`${model}-${fold}.json`), axes: { model, fold } })),
);

/** Runs smoothing, ensemble and report on drawn predictions, as the pipeline does. */
async function draw(reportFolder: string, cores = 1): Promise<void> {
  await runTask('tasks/report.ts', {
    params: { seed: 1, models: MODELS.map((name) => ({ name, input: 64 })), settings: { epochs: 6 } },
    cores,
    in: {
      history,
      raw: perModel('raw.csv'),
      tta: perModel('tta.csv'),
      smoothed: perModel('smooth.csv'),
      ensemble: at('ensemble.csv'),
      smooth_fit: perModel('smooth.json'),
      ensemble_fit: at('ensemble.json'),
      leakage: perModel('leakage.json'),
      labels: at('labels.csv'),
      table: at('table.parquet'),
      cards: ['train', 'test'].map((split) => ({ path: at('card.json'), axes: { split } })),
      png: at('png'),
      images: at('dicom'),
    },
    out: { report: at(reportFolder) },
  });
}

beforeAll(async () => {
  await writeTable(at('table.parquet'), slices);
  writeLabels(at('labels.csv'), { images, values: labels });
  mkdirSync(at('dicom'));
  const [slice] = drawStudy(1, 1, 0, 64);
  mkdirSync(at('png/brain_subdural_bone'), { recursive: true });
  const picture = await sharp({ create: { width: 32, height: 24, channels: 3, background: '#705030' } })
    .png()
    .toBuffer();
  for (const image of images) {
    writeFileSync(at(`png/brain_subdural_bone/${image}.png`), picture);
    writeFileSync(at(`dicom/${image}.dcm`), slice!.file);
  }
  writeFileSync(
    at('card.json'),
    JSON.stringify({
      files: 1234,
      images: 1232,
      patients: 40,
      studies: 54,
      series: 54,
      slicesPerStudy: { least: 20, median: 20, most: 20 },
      sizes: { '512 x 512': 1230, '512 x 400': 2 },
      planes: { axial: 1230, coronal: 2 },
      transferSyntaxes: { 'Explicit VR Little Endian': 1232 },
      pixels: { '16 of 16 bits, signed': 1232 },
      fixed: { 'padded to a square': 2 },
      duplicates: 1,
      quarantine: {
        leftOut: 2,
        zeroed: 0,
        reasons: { 'cut short after N bytes': 1, 'it is a copy of another file': 1 },
      },
      identity: { PatientBirthDate: 7 },
    }),
  );
  const balance = `Fold,Set,Patients,Studies,Images,${CLASSES}\n0,train,20,27,540,54,1,2,3,4,50\n0,valid,20,27,540,27,1,2,3,4,25\n`;
  const overlap = 'Fold,TrainPatients,RemovedPatients,TrainImages,RemovedImages\n0,20,3,540,66\n';
  for (const [m, model] of MODELS.entries()) {
    writeFileSync(
      at(`${model}-leakage.json`),
      JSON.stringify({ scheme: m === 0 ? 'v1' : 'v2', balance, overlap: m === 0 ? null : overlap }),
    );
    writePredictions(at(`${model}-tta.csv`), {
      images,
      values: drawPredictions(labels, { skill: 0.6 + 0.2 * m, noise: 1.2, seed: m }),
    });
    writePredictions(at(`${model}-raw.csv`), {
      images,
      values: drawPredictions(labels, { skill: 0.6 + 0.2 * m, noise: 1.6, seed: m }),
    });
    await runTask('tasks/smooth.ts', {
      in: {
        oof: at(`${model}-raw.csv`),
        test: at(`${model}-raw.csv`),
        labels: at('labels.csv'),
        train_table: at('table.parquet'),
        test_table: at('table.parquet'),
      },
      out: { oof: at(`${model}-smooth.csv`), test: at('ignored.csv'), fit: at(`${model}-smooth.json`) },
    });
    for (const fold of [0, 1]) {
      const epochs = Array.from({ length: 6 }, (_, epoch) => ({
        epoch: epoch + 1,
        trainLoss: 0.2 + 0.5 * Math.exp(-epoch / (2 + fold)),
        validLoss: 0.28 + 0.4 * Math.exp(-epoch / 2) + 0.01 * m + 0.01 * fold,
        lr: 0.001,
        auc: Object.fromEntries(CLASSES.map((name) => [name, epoch === 0 ? null : 0.9])),
      }));
      writeFileSync(at(`${model}-${fold}.json`), JSON.stringify(epochs));
    }
  }
  const smoothed = perModel('smooth.csv');
  await runTask('tasks/ensemble.ts', {
    in: { oof: smoothed, test: smoothed, labels: at('labels.csv') },
    out: { oof: at('ensemble.csv'), test: at('ignored.csv'), fit: at('ensemble.json') },
  });
  await draw('report');
});

interface Metrics {
  images: number;
  patients: number;
  ensemble: Scores;
  models: Record<string, Scores>;
  raw: Record<string, { weightedLogLoss: number }>;
  tta: Record<string, { weightedLogLoss: number; change: Estimate }>;
  smoothing: Record<string, { change: Estimate }>;
  ensemble_change: Estimate;
  operating_points: Record<ClassName, OperatingPoint>;
}
type Estimate = Record<'value' | 'low' | 'high', number>;

describe('the report', () => {
  const read = (name: string): string => readFileSync(at(`report/${name}`), 'utf8');

  test('holds the metrics of ensemble and models, each inside its interval', () => {
    const metrics = JSON.parse(read('metrics.json')) as Metrics;
    const { values } = readPredictions(at('ensemble.csv'));
    expect(metrics.images).toBe(images.length);
    expect(metrics.patients).toBe(40);
    expect(metrics.ensemble.weightedLogLoss.value).toBeCloseTo(weightedLogLoss(values, labels), 12);
    for (const [c, name] of CLASSES.entries()) {
      expect(metrics.ensemble.classes[name].auc.value).toBe(auc(column(values, c), column(labels, c)));
    }
    expect(Object.keys(metrics.models)).toEqual(MODELS);
    expect(metrics.models[MODELS[0]!]!.weightedLogLoss.value).toBeLessThan(metrics.raw[MODELS[0]!]!.weightedLogLoss);
    for (const scores of [metrics.ensemble, ...Object.values(metrics.models)]) {
      for (const { auc: area } of Object.values(scores.classes)) {
        expect(area.low).toBeLessThan(area.value!);
        expect(area.high).toBeGreaterThan(area.value!);
      }
    }
  });

  test('is the same to the byte when made again, on whatever number of cores', async () => {
    await draw('again', 3);
    const plots = ['calibration', 'learning_rate', 'loss', 'precision_recall', 'roc'];
    const expected = ['index.html', 'metrics.json', ...plots.flatMap((name) => [`${name}.png`, `${name}.svg`])];
    expect(readdirSync(at('again')).sort()).toEqual(expected.sort());
    for (const name of readdirSync(at('again'))) expect(readFileSync(at(`again/${name}`), 'utf8')).toBe(read(name));
  });

  test('says what smoothing, four views and the ensemble change, with intervals over patients', () => {
    const metrics = JSON.parse(read('metrics.json')) as Metrics;
    for (const model of MODELS) {
      const { change, weightedLogLoss: loss } = metrics.tta[model]!;
      expect(change.value).toBeCloseTo(loss - metrics.raw[model]!.weightedLogLoss, 12);
      // Less noise is better by far.
      expect(change.high).toBeLessThan(0);
      expect(metrics.smoothing[model]!.change.high).toBeLessThan(0);
    }
    const html = read('index.html');
    const says = (text: RegExp): boolean => text.test(html);
    expect(says(/Test-time augmentation lowers the loss of every model\./)).toBe(true);
    expect(says(/Smoothing along the axis of each series lowers the loss of every model\./)).toBe(true);
    expect(metrics.ensemble_change.value).toBeLessThan(0);
    const change = /better than the best single model, \w+: change of loss −0\.\d{4} \(−0\.\d{4} to .?0\.\d{4}\)/;
    expect(says(change)).toBe(true);
  });

  test('shows the confusion at an operating point of at least 90 % specificity', () => {
    const metrics = JSON.parse(read('metrics.json')) as Metrics;
    const { values } = readPredictions(at('ensemble.csv'));
    for (const [c, name] of CLASSES.entries()) {
      const { threshold, tp, fp, fn, tn } = metrics.operating_points[name];
      const [scores, truth] = [[...column(values, c)], [...column(labels, c)]];
      const counted = (positive: boolean, label: number): number =>
        scores.filter((score, i) => score >= threshold === positive && truth[i] === label).length;
      expect({ tp, fp, fn, tn }).toEqual({
        tp: counted(true, 1),
        fp: counted(true, 0),
        fn: counted(false, 1),
        tn: counted(false, 0),
      });
      expect(tn / (tn + fp)).toBeGreaterThanOrEqual(0.9);
      expect(tp / (tp + fn)).toBe(metrics.ensemble.classes[name].sensitivityAt90Specificity.value);
    }
  });

  test('tells of data, folds and overlap, and shows pictures within the page', () => {
    const html = read('index.html');
    for (const text of ['512 × 400', 'padded to a square', 'PatientBirthDate']) expect(html.includes(text)).toBe(true);
    expect(html.includes('cut short after N bytes')).toBe(true);
    expect(html.includes('Scheme v1, used by efficientnet_small_adjacent')).toBe(true);
    expect(html.includes('Scheme v2: patients taken out of the training sets')).toBe(true);
    expect(html.includes('54 (10.0 %)')).toBe(true);
    const pictures = [...html.matchAll(/<img src="(data:image\/png;base64,[^"]+)" alt="ID_[^"]+">/g)];
    // Twelve examples, twelve errors; three pairs of before and after the crop.
    expect(pictures).toHaveLength(30);
    expect(html.length).toBeLessThan(5e6);
  });

  test('names no patient', () => {
    expect(read('index.html')).not.toMatch(/\bP\d+\b/);
    expect(read('metrics.json')).not.toMatch(/\bP\d+\b/);
  });

  test('has a page that needs no other file and names no path of this machine', () => {
    const html = read('index.html');
    expect(html).not.toMatch(/<(script|link|iframe)\b|@import|src="(?!data:)|url\((?!#)/);
    expect(html.match(/https?:\/\/[^"]*/g)?.every((url) => url.startsWith('http://www.w3.org/'))).toBe(true);
    expect(html).not.toContain(root);
    const ids = [...html.matchAll(/\bid="([^"]*)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, id] of html.matchAll(/url\(#([^)]*)\)/g)) expect(ids).toContain(id);
  });

  test('draws a curve for every class, and a loss for every model and fold', () => {
    for (const name of CLASSES) expect(read('roc.svg')).toContain(`>${name}  0.`);
    for (const model of MODELS) expect(read('loss.svg')).toContain(`>${model}<`);
  });
});

test('a class that nobody has gets no AUC, and the report is made all the same', async () => {
  const values = labels.map((label, i) => (i % 6 === 1 ? 0 : label));
  writeLabels(at('labels.csv'), { images, values });
  await draw('one_class');
  const metrics = JSON.parse(readFileSync(at('one_class/metrics.json'), 'utf8')) as Metrics;
  expect(metrics.ensemble.classes.epidural.auc).toEqual({ value: null, low: null, high: null });
  expect(readFileSync(at('one_class/roc.svg'), 'utf8')).toContain('epidural  –');
  writeLabels(at('labels.csv'), { images, values: labels });
});
