// The report: metrics.json, the plots as SVG and PNG, and one self-contained index.html, all from out-of-fold predictions.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import * as z from 'zod';
import { defineTask, type TaskContext } from '../engine/task.ts';
import { CLASSES, type ClassName } from './classes.ts';
import { prCurve, rocCurve, weightedLogLoss } from './metrics.ts';
import { calibrationBins, calibrationPlot } from './plots/calibration.ts';
import { type LossPoint, learningRatePlot, lossPlot } from './plots/loss.ts';
import { precisionRecallPlot, rocPlot } from './plots/roc.ts';
import { drawSvg } from './plots/svg.ts';
import { readCard } from './report/card.ts';
import type { EnsembleFit, Example, Findings, ModelFindings, Pictures, Plots } from './report/findings.ts';
import { readHistories } from './report/history.ts';
import { byModel, patientsOf, readBalances, shortDigest, valuesFor } from './report/inputs.ts';
import { operatingPoint } from './report/operating.ts';
import { reportPage } from './report/page.ts';
import { beforeAndAfterCrop, examples, type Scored, thumbnail, worstErrors } from './report/pictures.ts';
import { column, labelColumn, type Scores, scoreSets } from './report/scores.ts';
import { truthOf } from './report/sheets.ts';
import type { SmoothingFit } from './smoothing/fit.ts';
import type { Draws } from './statistics/draws.ts';
import { imageLosses, lossChange } from './statistics/losses.ts';
import { readJson } from './tables/json.ts';
import { labelsOf, readLabels } from './tables/labels.ts';
import { readPredictions } from './tables/predictions.ts';

export { scoreClass } from './report/scores.ts';

const REPLICATES = 1000;
const WORST = 12;
const CROPS = 3;

const params = z.object({
  seed: z.int(),
  settings: z.record(z.string(), z.unknown()),
  models: z.array(z.record(z.string(), z.unknown())),
});
type Context = TaskContext<z.infer<typeof params>>;

export default defineTask({
  params,
  async run(context) {
    const ensemble = readPredictions(context.input('ensemble'));
    const labels = labelsOf(ensemble.images, readLabels(context.input('labels')));
    const set: Scored = { ...ensemble, labels };
    const patients = await patientsOf(ensemble.images, context.input('table'));
    const draws: Draws = { ...patients, replicates: REPLICATES, seed: context.params.seed };
    const histories = readHistories(context.inputs('history'));

    const findings = await gather(set, draws, histories, context);
    const plots = await drawAll(set, findings, histories);
    const pictures = await drawPictures(set, draws.groupOf, context);

    const folder = context.output('report');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'metrics.json'), `${JSON.stringify(metricsOf(findings), null, 2)}\n`);
    for (const [name, svg] of Object.entries(plots)) {
      writeFileSync(join(folder, `${name}.svg`), svg);
      await sharp(Buffer.from(svg), { density: 144 })
        .png()
        .toFile(join(folder, `${name}.png`));
    }
    writeFileSync(join(folder, 'index.html'), reportPage(findings, plots, pictures));
    context.metric('loss', findings.ensemble.weightedLogLoss.value ?? Number.NaN);
    context.metric('auc any', findings.ensemble.classes.any.auc.value ?? Number.NaN);
  },
});

async function gather(set: Scored, draws: Draws, histories: readonly LossPoint[], context: Context): Promise<Findings> {
  const { images, values, labels } = set;
  const smoothed = byModel(context.inputs('smoothed'), (path) => valuesFor(images, path));
  const scores = await scoreSets(new Map([...smoothed, [ENSEMBLE, values]]), labels, draws, {
    module: import.meta.url,
    cores: context.cores,
    signal: context.signal,
    progress: (done, total) => context.progress(done, total, 'classes scored'),
  });
  const models = modelFindings(set, draws, smoothed, scores, context);
  const single = [...models].sort((a, b) => a.scores.weightedLogLoss.value! - b.scores.weightedLogLoss.value!)[0]!;
  const change = lossChange(smoothed.get(single.name)!, values, labels, draws);
  return {
    images: images.length,
    patients: draws.groups,
    bootstrap: { of: 'patients', replicates: REPLICATES, seed: draws.seed, interval: 0.95 },
    ensemble: scores.get(ENSEMBLE)!,
    models,
    ensembleFit: readJson(context.input('ensemble_fit')) as EnsembleFit,
    best: models.length > 1 ? { model: single.name, change } : undefined,
    operating: byClass((c) => operatingPoint(column(values, c), labelColumn(labels, c))),
    cards: context.inputs('cards').map(({ path, axes }, i) => readCard(axes.split ?? `set ${i + 1}`, path)),
    balances: readBalances(context.inputs('leakage')),
    settings: context.params.settings,
    modelSettings: context.params.models,
    training: trainingOf(histories),
    digests: digestsOf(context),
  };
}

/** A name that no model can have: a model's has no spaces around it. */
const ENSEMBLE = ' ensemble ';

function modelFindings(
  { images, labels }: Scored,
  draws: Draws,
  smoothed: ReadonlyMap<string, Float64Array>,
  scores: ReadonlyMap<string, Scores>,
  context: Context,
): ModelFindings[] {
  const raw = byModel(context.inputs('raw'), (path) => valuesFor(images, path));
  const tta = byModel(context.inputs('tta'), (path) => valuesFor(images, path));
  const fits = byModel(context.inputs('smooth_fit'), (path) => readJson(path) as SmoothingFit);
  return [...smoothed].map(([name, after]) => {
    const before = raw.get(name)!;
    return {
      name,
      scores: scores.get(name)!,
      rawLoss: weightedLogLoss(before, labels),
      smoothing: fits.get(name)!,
      smoothingChange: lossChange(before, after, labels, draws),
      ttaLoss: weightedLogLoss(tta.get(name)!, labels),
      ttaChange: lossChange(before, tta.get(name)!, labels, draws),
    };
  });
}

function trainingOf(points: readonly LossPoint[]): Findings['training'] {
  const networks = new Map<string, LossPoint[]>();
  for (const point of points) {
    const key = JSON.stringify([point.model, point.fold]);
    networks.set(key, [...(networks.get(key) ?? []), point]);
  }
  return [...networks.values()].map((own) => {
    const best = own.reduce((a, b) => (b.validLoss < a.validLoss ? b : a));
    const { model, fold } = best;
    return { model, fold, epochs: own.length, best: best.epoch, loss: best.validLoss };
  });
}

function digestsOf(context: Context): Findings['digests'] {
  const named = (role: string, what: string): [string, string][] =>
    context.inputs(role).map(({ path, axes }) => [[what, ...Object.values(axes)].join(' '), shortDigest(path)]);
  return [
    ...named('labels', 'labels'),
    ...named('table', 'metadata'),
    ...named('cards', 'data card'),
    ...named('history', 'history'),
    ...named('raw', 'out-of-fold predictions'),
    ...named('ensemble', 'ensemble'),
  ];
}

async function drawAll(
  { values, labels }: Scored,
  { ensemble }: Findings,
  histories: readonly LossPoint[],
): Promise<Plots> {
  const columns = CLASSES.map((name, c) => ({ name, scores: column(values, c), labels: labelColumn(labels, c) }));
  const curves = columns.map(({ name, scores, labels: own }) => ({
    roc: { name, area: ensemble.classes[name].auc.value, curve: rocCurve(scores, own) },
    pr: { name, area: ensemble.classes[name].averagePrecision.value, curve: prCurve(scores, own) },
  }));
  return {
    loss: await drawSvg(lossPlot(histories)),
    learning_rate: await drawSvg(learningRatePlot(histories)),
    roc: await drawSvg(rocPlot(curves.map(({ roc }) => roc))),
    precision_recall: await drawSvg(precisionRecallPlot(curves.map(({ pr }) => pr))),
    calibration: await drawSvg(
      calibrationPlot(columns.flatMap(({ name, scores, labels: own }) => calibrationBins(name, scores, own))),
    ),
  };
}

async function drawPictures(set: Scored, groupOf: Uint32Array, context: Context): Promise<Pictures> {
  const folders = context.input('png');
  const losses = imageLosses(set.values, set.labels);
  const width = CLASSES.length;
  const show = async (row: number): Promise<Example> => ({
    image: set.images[row]!,
    picture: await thumbnail(folders, set.images[row]!),
    truth: truthOf(set.labels, row),
    values: [...set.values.subarray(row * width, (row + 1) * width)],
    loss: losses[row]!,
  });
  const found = examples(set, groupOf);
  const crops: { image: string; whole: string; cropped: string }[] = [];
  // One after the other: the reader's pixels are good until the next file is read.
  for (const { rows } of found.slice(-CROPS)) {
    const image = set.images[rows[0] ?? 0]!;
    const pair = await beforeAndAfterCrop(context.input('images'), image);
    if (pair) crops.push({ image, ...pair });
  }
  return {
    examples: await Promise.all(
      found.map(async ({ name, rows }) => ({ name, shown: await Promise.all(rows.map(show)) })),
    ),
    worst: await Promise.all(worstErrors(set, groupOf, WORST).map(({ row }) => show(row))),
    crops,
  };
}

function byClass<T>(of: (c: number) => T): Record<ClassName, T> {
  return Object.fromEntries(CLASSES.map((name, c) => [name, of(c)])) as Record<ClassName, T>;
}

function metricsOf({ images, patients, bootstrap, ensemble, models, ensembleFit, best, operating }: Findings): object {
  const byName = <T>(of: (model: ModelFindings) => T): Record<string, T> =>
    Object.fromEntries(models.map((model) => [model.name, of(model)]));
  return {
    images,
    patients,
    bootstrap,
    ensemble,
    models: byName((model) => model.scores),
    raw: byName((model) => ({ weightedLogLoss: model.rawLoss })),
    tta: byName((model) => ({ weightedLogLoss: model.ttaLoss, change: model.ttaChange })),
    smoothing: byName((model) => ({ change: model.smoothingChange })),
    ...(best ? { best_model: best.model, ensemble_change: best.change } : {}),
    method: ensembleFit.method,
    weights: ensembleFit.weights ?? ensembleFit.stacking,
    operating_points: operating,
  };
}
