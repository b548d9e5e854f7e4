// The report as one page. First what a reader wants to know, then what it rests on, at last how to make it again.
import type { DataCard } from './card.ts';
import type { Findings, Pictures, Plots } from './findings.ts';
import { beside, escaped, figure, findingsList, page, section, table, tiles } from './html.ts';
import { change, count, digits, percent } from './numbers.ts';
import { combiningSection, performanceSection } from './sections.ts';
import { examplesSection, worstSection } from './sheets.ts';

const CONTENTS = [
  ['data', 'Data'],
  ['folds', 'Folds'],
  ['training', 'Training'],
  ['performance', 'Performance'],
  ['examples', 'Examples'],
  ['errors', 'Worst errors'],
  ['combining', 'Ensemble, smoothing, augmentation'],
  ['lineage', 'Lineage'],
] as const;

export function reportPage(findings: Findings, plots: Plots, pictures: Pictures): string {
  const { images, patients, bootstrap } = findings;
  const lead = `Out-of-fold predictions for ${count(images)} images of ${count(patients)} patients: every image was predicted by networks that never saw its patient. Intervals are 95 %, from ${count(bootstrap.replicates)} bootstrap draws of whole patients.`;
  const contents = CONTENTS.map(([id, title]) => `<a href="#${id}">${title}</a>`).join(' ');
  return page(
    'Intracranial haemorrhage: report',
    [
      '<h1>Intracranial haemorrhage on head CT</h1>',
      `<p>${lead}</p>`,
      verdict(findings),
      `<nav aria-label="Contents">${contents}</nav>`,
      dataSection(findings),
      foldsSection(findings),
      trainingSection(findings, plots),
      performanceSection(findings, plots),
      examplesSection(pictures),
      worstSection(pictures),
      combiningSection(findings),
      lineageSection(findings),
    ].join('\n'),
  );
}

function verdict(findings: Findings): string {
  const { ensemble, models, balances, training } = findings;
  const { auc, averagePrecision, sensitivityAt90Specificity } = ensemble.classes.any;
  const between = (low: number | null, high: number | null, places: number): string =>
    `95 %: ${digits(low, places)}–${digits(high, places)}`;
  const loss = ensemble.weightedLogLoss;
  const numbers = tiles([
    { name: 'Weighted log loss', value: digits(loss.value), note: between(loss.low, loss.high, 4) },
    { name: 'AUC, any haemorrhage', value: digits(auc.value, 3), note: between(auc.low, auc.high, 3) },
    {
      name: 'Average precision, any',
      value: digits(averagePrecision.value, 3),
      note: between(averagePrecision.low, averagePrecision.high, 3),
    },
    {
      name: 'Sensitivity at 90 % specificity, any',
      value: digits(sensitivityAt90Specificity.value, 3),
      note: between(sensitivityAt90Specificity.low, sensitivityAt90Specificity.high, 3),
    },
  ]);
  const smoothed = models.filter((model) => (model.smoothingChange.value ?? 0) < 0);
  const augmented = models.filter((model) => (model.ttaChange.value ?? 0) < 0);
  const named = (all: readonly { name: string }[]): string => all.map((model) => model.name).join(', ');
  const folds = new Set(training.map((row) => row.fold)).size;
  return `${numbers}${findingsList([
    ensembleFinding(findings),
    {
      holds: smoothed.length === models.length,
      text:
        smoothed.length === models.length
          ? 'Smoothing along the axis of each series lowers the loss of every model.'
          : `Smoothing lowers the loss of ${smoothed.length} of ${models.length} models${smoothed.length > 0 ? ` (${named(smoothed)})` : ''}; the others' predictions are left untouched.`,
    },
    {
      holds: augmented.length === models.length,
      text:
        augmented.length === models.length
          ? 'Test-time augmentation lowers the loss of every model.'
          : `Test-time augmentation lowers the loss of ${augmented.length} of ${models.length} models${augmented.length > 0 ? ` (${named(augmented)})` : ''}.`,
    },
    {
      holds: true,
      text: `No patient is on both sides of any of ${models.length * folds} trainings (scheme ${balances.map((each) => each.scheme).join(', ')}), and what smoothing and ensemble were fitted on is out of fold: checked image by image.`,
    },
  ])}`;
}

function ensembleFinding({ best, ensembleFit: { weights } }: Findings): { holds: boolean | undefined; text: string } {
  if (!best) return { holds: undefined, text: 'There is one model, so the ensemble is that model.' };
  const alone = Object.entries(weights ?? {}).find(([, weight]) => weight > 1 - 1e-6)?.[0];
  if (alone !== undefined) {
    return { holds: false, text: `The ensemble is no better than ${alone} alone: the fit gives it all the weight.` };
  }
  const better = (best.change.value ?? 0) < 0;
  const verb = better ? 'is better' : 'is no better';
  const text = `The ensemble ${verb} than the best single model, ${best.model}: change of loss ${change(best.change)}.`;
  return { holds: better, text };
}

function dataSection({ cards, ensemble, images }: Findings): string {
  const rows = cards.map(({ split, slicesPerStudy: { least, median, most }, quarantine, ...card }) => [
    split,
    ...[card.files, card.images, card.patients, card.studies, card.series].map(count),
    `${least} / ${median} / ${most}`,
    ...[quarantine.leftOut, card.duplicates, quarantine.zeroed].map(count),
  ]);
  const header = ['Set', 'Files', 'Images', 'Patients', 'Studies', 'Series', 'Slices a study: least / median / most'];
  const labels = Object.entries(ensemble.classes).map(([name, { positives }]) => [
    name,
    count(positives),
    percent(positives, images),
  ]);
  const bySet = (first: string, caption: string, of: (card: DataCard) => Counts): string =>
    table([first, ...cards.map((card) => card.split)], crossed(cards, of), caption);
  const any = (of: (card: DataCard) => Counts): boolean => cards.some((card) => Object.keys(of(card)).length > 0);
  return section(
    'data',
    'Data',
    table([...header, 'Left out', 'of these copies', 'Zeroed'], rows, 'What there is'),
    beside(
      table(['Label', 'Images', 'Share'], labels, 'Labels of the training images'),
      bySet('Size in pixels', 'Image sizes', (card) => card.sizes),
      bySet('Plane', 'What the slices are across', (card) => card.planes),
      bySet('Transfer syntax', 'How pixels are encoded', (card) => card.transferSyntaxes),
      bySet('Stored values', 'How values are stored', (card) => card.pixels),
      any((card) => card.fixed) ? bySet('Put right', 'What reading the pixels took', (card) => card.fixed) : '',
    ),
    any((card) => card.quarantine.reasons)
      ? bySet('Reason', 'Files left out, or kept as all-zero images', (card) => card.quarantine.reasons)
      : '<p>No file was left out.</p>',
    any((card) => card.identity)
      ? bySet('Element', 'Elements that say who somebody is have a value: images', (card) => card.identity)
      : '<p>No element that says who somebody is has a value, PatientID apart.</p>',
  );
}

type Counts = Readonly<Record<string, number>>;
const MOST_ROWS = 8;

/** Counts of the same thing in each set, a row a thing. */
function crossed(cards: readonly DataCard[], of: (card: DataCard) => Counts): string[][] {
  const things = [...new Set(cards.flatMap((card) => Object.keys(of(card))))];
  const rows = things.map((what) => [what.replace(' x ', ' × '), ...cards.map((card) => count(of(card)[what] ?? 0))]);
  return rows.length > MOST_ROWS ? [...rows.slice(0, MOST_ROWS), [`and ${rows.length - MOST_ROWS} more`]] : rows;
}

function foldsSection({ balances }: Findings): string {
  const parts = balances.flatMap(({ scheme, models, header, rows, overlap }) => [
    table(
      ['Fold', ...header.slice(1)],
      rows.map(([fold, set, ...numbers]) => [`${fold}`, set!, ...numbers.map(withShare(header, numbers))]),
      `Scheme ${scheme}, used by ${models.join(', ')}: images with each label, and their share`,
    ),
    overlap
      ? table(
          [...overlap.header],
          overlap.rows.map((row) => row.map((cell, i) => (i === 0 ? cell : count(cell)))),
          `Scheme ${scheme}: patients taken out of the training sets`,
        )
      : '',
  ]);
  return section('folds', 'Folds', ...parts);
}

/** Labels are easier to compare as shares of the images of their row. */
function withShare(header: readonly string[], numbers: readonly string[]): (cell: string, i: number) => string {
  const images = Number(numbers[header.indexOf('Images') - 2]);
  return (cell, i) =>
    i + 2 > header.indexOf('Images') ? `${count(cell)} (${percent(Number(cell), images)})` : count(cell);
}

function trainingSection({ training }: Findings, plots: Plots): string {
  const rows = training.map(({ model, fold, epochs, best, loss }) => [
    `${model}, fold ${fold}`,
    `${epochs}`,
    `${best}`,
    digits(loss),
  ]);
  return section(
    'training',
    'Training',
    figure('loss', plots.loss, 'Training and validation loss by epoch, model and fold'),
    beside(
      figure('learning-rate', plots.learning_rate, 'Learning rate by epoch'),
      table(['Network', 'Epochs', 'Best epoch', 'Validation loss'], rows, "The best epoch's weights are kept"),
    ),
  );
}

function lineageSection({ settings, modelSettings, digests, bootstrap }: Findings): string {
  const keys = [...new Set(modelSettings.flatMap((model) => Object.keys(model)))].filter((key) => key !== 'name');
  const models = modelSettings.map((model) => [String(model.name), ...keys.map((key) => String(model[key] ?? '–'))]);
  const set = Object.entries(settings).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return section(
    'lineage',
    'Lineage',
    '<p>Every number here follows from the files and settings below; the same ones give the same page to the byte. With them in place, and the profile of this run:</p>',
    `<pre>npx dag run report${escaped(set.map((each) => ` \\\n  --set ${each}`).join(''))}</pre>`,
    '<p><code>npx dag why report</code> names what changed since; <code>npx dag graph</code> draws all the steps in between.</p>',
    table(['Model', ...keys], models, 'Models'),
    table(
      ['Made from', 'SHA-256, first 16 digits'],
      digests.map(([name, digest]) => [name, digest]),
      'Files',
    ),
    `<p>Bootstrap: ${count(bootstrap.replicates)} draws of patients, seed ${bootstrap.seed}.</p>`,
  );
}
