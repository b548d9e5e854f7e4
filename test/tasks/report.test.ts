import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Artifact } from '../../engine/task.ts';
import { CLASSES } from '../../tasks/classes.ts';
import { auc, weightedLogLoss } from '../../tasks/metrics.ts';
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
async function draw(reportFolder: string): Promise<void> {
  await runTask('tasks/report.ts', {
    params: { seed: 1 },
    in: {
      history,
      raw: perModel('raw.csv'),
      smoothed: perModel('smooth.csv'),
      ensemble: at('ensemble.csv'),
      smooth_fit: perModel('smooth.json'),
      ensemble_fit: at('ensemble.json'),
      labels: at('labels.csv'),
      table: at('table.parquet'),
    },
    out: { report: at(reportFolder) },
  });
}

beforeAll(async () => {
  await writeTable(at('table.parquet'), slices);
  writeLabels(at('labels.csv'), { images, values: labels });
  for (const [m, model] of MODELS.entries()) {
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
}

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

  test('is the same to the byte when made again', async () => {
    await draw('again');
    expect(readdirSync(at('again')).sort()).toEqual(['index.html', 'loss.svg', 'metrics.json', 'roc.svg']);
    for (const name of readdirSync(at('again'))) expect(readFileSync(at(`again/${name}`), 'utf8')).toBe(read(name));
  });

  test('has a page that needs no other file and names no path of this machine', () => {
    const html = read('index.html');
    expect(html).not.toMatch(/<(script|link|img|iframe)\b|@import|src=/);
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
  expect(readFileSync(at('one_class/roc.svg'), 'utf8')).toContain('epidural  (one class only)');
  writeLabels(at('labels.csv'), { images, values: labels });
});
