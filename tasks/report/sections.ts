// Two sections of the report: how good the ensemble is class by class, and what combining, smoothing and augmenting did.
import { CLASSES } from '../classes.ts';
import type { Findings, Plots } from './findings.ts';
import { beside, figure, section, table } from './html.ts';
import { change, count, digits, interval, rate, signed } from './numbers.ts';

export function performanceSection(findings: Findings, plots: Plots): string {
  const { classes } = findings.ensemble;
  const rows = CLASSES.map((name) => {
    const { positives, auc, averagePrecision, sensitivityAt90Specificity, ece } = classes[name];
    return [name, count(positives), ...[auc, averagePrecision, sensitivityAt90Specificity, ece].map(rate)];
  });
  return section(
    'performance',
    'Performance of the ensemble',
    table(
      ['Class', 'Positive images', 'AUC', 'Average precision', 'Sensitivity at 90 % specificity', 'Calibration error'],
      rows,
      'By class, with 95 % intervals',
    ),
    beside(
      figure('roc', plots.roc, 'ROC curves of the ensemble by class'),
      figure('pr', plots.precision_recall, 'Precision and recall of the ensemble by class'),
    ),
    figure('calibration', plots.calibration, 'Predicted probability against the share of positives, by class'),
    confusionTable(findings),
  );
}

function confusionTable({ operating }: Findings): string {
  const rows = CLASSES.map((name) => {
    const point = operating[name];
    if (point === undefined) return [name, '–', '–', '–', '–', '–', '–', '–', '–', '–'];
    const { threshold, tp, fp, fn, tn } = point;
    const shares = [tp / (tp + fn), tn / (tn + fp), tp / (tp + fp), tn / (tn + fn)];
    return [name, digits(threshold), ...[tp, fn, fp, tn].map(count), ...shares.map((share) => digits(share, 3))];
  });
  const header = [
    'Class',
    'Threshold',
    'True positive',
    'Missed',
    'False alarm',
    'True negative',
    'Sensitivity',
    'Specificity',
    'PPV',
    'NPV',
  ];
  return table(
    header,
    rows,
    'Confusion at the operating point: the most sensitive threshold with 90 % specificity or more',
  );
}

export function combiningSection(findings: Findings): string {
  return section(
    'combining',
    'Ensemble, smoothing, augmentation',
    '<h3>Models and ensemble</h3>',
    modelTable(findings),
    stackingTable(findings),
    '<h3>Smoothing along the axis of each series</h3>',
    smoothingTable(findings),
    '<h3>Test-time augmentation</h3>',
    `<p>Out-of-fold predictions as the mean of four views (identity, mirrored, rotated by −10° and +10°) against the identity alone, both untouched by smoothing. Smoothing and ensemble are fitted on the identity alone.</p>`,
    table(
      ['Model', 'Loss, identity', 'Loss, four views', 'Change of loss'],
      findings.models.map(({ name, rawLoss, ttaLoss, ttaChange }) => [
        name,
        digits(rawLoss),
        digits(ttaLoss),
        change(ttaChange),
      ]),
      'Weighted log loss, out of fold',
    ),
  );
}

function modelTable({ models, ensembleFit, ensemble }: Findings): string {
  const { weights, loss, method } = ensembleFit;
  const rows = models.map(({ name, scores, rawLoss }) => [
    name,
    weights ? digits(weights[name] ?? 0, 3) : '–',
    digits(rawLoss),
    interval(scores.weightedLogLoss),
    rate(scores.classes.any.auc),
  ]);
  rows.push(['Equal weights', '', '', digits(loss.equal_weights), '']);
  if (method === 'stacking') rows.push(['Weighted mean', '', '', digits(loss.mean), '']);
  const title = method === 'stacking' ? 'Ensemble (stacking, cross-fitted)' : 'Ensemble';
  rows.push([title, '', '', interval(ensemble.weightedLogLoss), rate(ensemble.classes.any.auc)]);
  return table(['Model', 'Weight', 'Loss, raw', 'Loss, smoothed', 'AUC, any'], rows, 'Weighted log loss, out of fold');
}

function stackingTable({ ensembleFit: { stacking }, models }: Findings): string {
  if (!stacking) return '';
  const rows = CLASSES.map((name) => {
    const { intercept, weights } = stacking[name]!;
    return [name, signed(intercept, 3), ...models.map((model) => signed(weights[model.name] ?? 0, 3))];
  });
  return table(
    ['Class', 'Intercept', ...models.map((model) => model.name)],
    rows,
    'Stacking: coefficients of log odds',
  );
}

function smoothingTable({ models }: Findings): string {
  const rows = models.map(({ name, smoothing: { sigmaMm, raiseAny }, smoothingChange }) => {
    return [
      name,
      ...CLASSES.map((each) => digits(sigmaMm[each]!, 1)),
      raiseAny ? 'yes' : 'no',
      change(smoothingChange),
    ];
  });
  const header = ['Model', ...CLASSES, 'any ≥ subtypes', 'Change of loss'];
  return table(header, rows, 'Width (sigma, mm) of the Gaussian fitted for each class; 0 leaves it untouched');
}
