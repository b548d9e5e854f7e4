// The report as one page: how good, by class and by model, and what smoothing and the ensemble did.
import { CLASSES } from '../classes.ts';
import type { SmoothingFit } from '../smoothing/fit.ts';
import { escaped, figure, page, table } from './html.ts';
import type { Estimate, Scores } from './scores.ts';

export interface EnsembleFit {
  readonly weights: Record<string, number>;
  readonly loss: { ensemble: number; equal_weights: number; models: Record<string, number> };
}

export interface Findings {
  readonly images: number;
  readonly patients: number;
  readonly replicates: number;
  readonly ensemble: Scores;
  /** By model, on smoothed predictions. */
  readonly models: Record<string, Scores>;
  readonly smoothing: Record<string, SmoothingFit>;
  readonly ensembleFit: EnsembleFit;
}

export function reportPage(findings: Findings, plots: { loss: string; roc: string }): string {
  const { images, patients, replicates } = findings;
  const lead = `Out-of-fold predictions for ${count(images)} images of ${count(patients)} patients: every image was predicted by
networks that never saw its patient. Intervals are 95 %, from ${count(replicates)} bootstrap draws of whole patients.`;
  return page(
    'Intracranial haemorrhage: report',
    `<h1>Intracranial haemorrhage on head CT</h1>
<p>${lead}</p>
<h2>Ensemble</h2>
${verdict(findings)}
${classTable(findings.ensemble)}
${figure('roc', plots.roc, 'ROC curves of the ensemble by class')}
<h2>Models</h2>
${modelTable(findings)}
${figure('loss', plots.loss, 'Training and validation loss by epoch, model and fold')}
<h2>Smoothing along the study's axis</h2>
${smoothingVerdict(findings.smoothing)}
${smoothingTable(findings.smoothing)}`,
  );
}

function verdict({ ensemble, ensembleFit }: Findings): string {
  const { loss } = ensembleFit;
  const best = Object.entries(loss.models).reduce((a, b) => (b[1] < a[1] ? b : a));
  const gain = best[1] - loss.ensemble;
  const compared =
    Object.keys(loss.models).length < 2
      ? 'There is one model, so the ensemble is that model.'
      : gain > 0
        ? `The ensemble's loss is ${gain.toPrecision(2)} below that of the best single model (${escaped(best[0])}), ${digits(best[1])}.`
        : `The ensemble is no better than the best single model (${escaped(best[0])}), ${digits(best[1])}.`;
  return `<p>Weighted log loss <strong>${interval(ensemble.weightedLogLoss)}</strong>; AUC for any haemorrhage
<strong>${rate(ensemble.classes.any.auc)}</strong>. ${compared}</p>`;
}

function classTable({ classes }: Scores): string {
  const rows = CLASSES.map((name) => {
    const { positives, auc, averagePrecision, sensitivityAt90Specificity, ece } = classes[name];
    const estimates = [auc, averagePrecision, sensitivityAt90Specificity, ece].map(rate);
    return [name, count(positives), ...estimates];
  });
  const header = [
    'Class',
    'Positive images',
    'AUC',
    'Average precision',
    'Sensitivity at 90 % specificity',
    'Calibration error',
  ];
  return table(header, rows, 'Ensemble by class');
}

function modelTable({ models, smoothing, ensembleFit, ensemble }: Findings): string {
  const rows = Object.entries(models).map(([model, scores]) => [
    model,
    digits(ensembleFit.weights[model] ?? 0, 3),
    digits(smoothing[model]?.before.weighted ?? null),
    interval(scores.weightedLogLoss),
    rate(scores.classes.any.auc),
  ]);
  rows.push(['Equal weights', '', '', digits(ensembleFit.loss.equal_weights), '']);
  rows.push(['Ensemble', '', '', interval(ensemble.weightedLogLoss), rate(ensemble.classes.any.auc)]);
  return table(['Model', 'Weight', 'Loss, raw', 'Loss, smoothed', 'AUC, any'], rows, 'Weighted log loss, out of fold');
}

function smoothingVerdict(smoothing: Record<string, SmoothingFit>): string {
  const unchanged = Object.entries(smoothing).filter(([, { before, after }]) => after.weighted! >= before.weighted!);
  if (unchanged.length === 0) return '<p>Smoothing lowers the out-of-fold loss of every model.</p>';
  const names = escaped(unchanged.map(([model]) => model).join(', '));
  return `<p>Smoothing does not lower the out-of-fold loss of ${names}, whose predictions are left untouched.</p>`;
}

function smoothingTable(smoothing: Record<string, SmoothingFit>): string {
  const rows = Object.entries(smoothing).map(([model, { sigmaMm, raiseAny, before, after }]) => {
    const change = after.weighted! - before.weighted!;
    return [model, ...CLASSES.map((name) => digits(sigmaMm[name]!, 1)), raiseAny ? 'yes' : 'no', change.toFixed(5)];
  });
  const header = ['Model', ...CLASSES, 'any ≥ subtypes', 'Change of loss'];
  return table(header, rows, 'Width (sigma, mm) of the Gaussian fitted for each class; 0 leaves it untouched');
}

function interval({ value, low, high }: Estimate, places = 4): string {
  return value === null ? '–' : `${digits(value, places)} (${digits(low, places)}–${digits(high, places)})`;
}

function rate(estimate: Estimate): string {
  return interval(estimate, 3);
}

function digits(value: number | null, places = 4): string {
  return value === null ? '–' : value.toFixed(places);
}

function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}
