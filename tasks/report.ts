// The report: metrics.json, loss.svg, roc.svg and one self-contained index.html, all from out-of-fold predictions.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { type Artifact, defineTask, InputError } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { rocCurve, weightedLogLoss } from './metrics.ts';
import { lossPlot } from './plots/loss.ts';
import { rocPlot } from './plots/roc.ts';
import { drawSvg } from './plots/svg.ts';
import { readHistories, readJson } from './report/history.ts';
import { type EnsembleFit, type Findings, reportPage } from './report/page.ts';
import { column, type Scores, scoresOf } from './report/scores.ts';
import type { SmoothingFit } from './smoothing/fit.ts';
import type { Bootstrap } from './statistics/bootstrap.ts';
import { labelsOf, readLabels, some } from './tables/labels.ts';
import { readMetadata } from './tables/metadata.ts';
import { readPredictions } from './tables/predictions.ts';

const REPLICATES = 1000;

export default defineTask({
  params: z.object({ seed: z.int() }),
  async run(context) {
    const ensemble = readPredictions(context.input('ensemble'));
    const labels = labelsOf(ensemble.images, readLabels(context.input('labels')));
    const patients = await patientsOf(ensemble.images, context.input('table'));
    const draws: Bootstrap = { ...patients, replicates: REPLICATES, seed: context.params.seed };

    const smoothed = context.inputs('smoothed');
    const score = (values: Float64Array, done: number): Scores => {
      context.progress(done, smoothed.length + 1, 'predictions scored');
      return scoresOf(values, labels, draws);
    };
    const findings: Findings = {
      images: ensemble.images.length,
      patients: patients.groups,
      replicates: REPLICATES,
      ensemble: score(ensemble.values, 0),
      models: byModel(smoothed, ({ path }, i) => score(valuesFor(ensemble.images, path), i + 1)),
      smoothing: byModel(context.inputs('smooth_fit'), ({ path }) => readJson(path) as SmoothingFit),
      ensembleFit: readJson(context.input('ensemble_fit')) as EnsembleFit,
    };
    const raw = byModel(context.inputs('raw'), ({ path }) => {
      return { weightedLogLoss: weightedLogLoss(valuesFor(ensemble.images, path), labels) };
    });

    const curves = CLASSES.map((name, c) => {
      const curve = rocCurve(column(ensemble.values, c), column(labels, c));
      return { name, auc: findings.ensemble.classes[name].auc.value, curve };
    });
    const plots = {
      loss: await drawSvg(lossPlot(readHistories(context.inputs('history')))),
      roc: await drawSvg(rocPlot(curves, 'ROC of the ensemble, out of fold')),
    };
    const folder = context.output('report');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'metrics.json'), `${JSON.stringify(metricsOf(findings, raw, draws), null, 2)}\n`);
    writeFileSync(join(folder, 'loss.svg'), plots.loss);
    writeFileSync(join(folder, 'roc.svg'), plots.roc);
    writeFileSync(join(folder, 'index.html'), reportPage(findings, plots));
    context.metric('loss', findings.ensemble.weightedLogLoss.value ?? Number.NaN);
    context.metric('auc any', findings.ensemble.classes.any.auc.value ?? Number.NaN);
  },
});

function metricsOf(findings: Findings, raw: Record<string, unknown>, { replicates, seed }: Bootstrap): object {
  const { images, patients, ensemble, models, ensembleFit } = findings;
  const bootstrap = { of: 'patients', replicates, seed, interval: 0.95 };
  return { images, patients, bootstrap, ensemble, models, raw, weights: ensembleFit.weights };
}

function byModel<T>(artifacts: readonly Artifact[], read: (artifact: Artifact, i: number) => T): Record<string, T> {
  return Object.fromEntries(
    artifacts.map((artifact, i) => [artifact.axes.model ?? `model ${i + 1}`, read(artifact, i)]),
  );
}

/** A model's probabilities, which must be for the very images of the ensemble: then they lie in its order too. */
function valuesFor(images: readonly string[], path: string): Float64Array {
  const own = readPredictions(path);
  const known = new Set(own.images);
  const missing = images.filter((image) => !known.has(image));
  if (missing.length > 0 || own.images.length !== images.length) {
    throw new InputError(`${path}: ${own.images.length} images, the ensemble has ${images.length}; run predict again`);
  }
  return own.values;
}

/** The patient of each image as a number. InputError for images that the metadata do not have. */
async function patientsOf(images: readonly string[], table: string): Promise<{ groupOf: Uint32Array; groups: number }> {
  const patientOf = new Map((await readMetadata(table)).map(({ Image, PatientID }) => [Image, PatientID]));
  const missing = images.filter((image) => !patientOf.get(image));
  if (missing.length > 0) throw new InputError(`no patient in the metadata for ${some(missing, 'image')}`);
  const numbers = new Map<string, number>();
  const groupOf = Uint32Array.from(images, (image) => {
    const patient = patientOf.get(image)!;
    if (!numbers.has(patient)) numbers.set(patient, numbers.size);
    return numbers.get(patient)!;
  });
  return { groupOf, groups: numbers.size };
}
