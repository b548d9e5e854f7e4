// Everything that the report says, computed: scores with their intervals, what each step changed, where it comes from.
import type { TaskContext } from '../../engine/task.ts';
import { CLASSES, type ClassName } from '../classes.ts';
import { weightedLogLoss } from '../metrics.ts';
import type { LossPoint } from '../plots/loss.ts';
import type { SmoothingFit } from '../smoothing/fit.ts';
import type { Draws } from '../statistics/draws.ts';
import { lossChange } from '../statistics/losses.ts';
import { readJson } from '../tables/json.ts';
import { readCard } from './card.ts';
import type { EnsembleFit, Findings, ModelFindings } from './findings.ts';
import { byModel, readBalances, shortDigest, valuesFor } from './inputs.ts';
import { operatingPoint } from './operating.ts';
import type { Scored } from './pictures.ts';
import { column, labelColumn, type Scores, scoreSets } from './scores.ts';

type Context = TaskContext<{
  readonly settings: Findings['settings'];
  readonly models: Findings['modelSettings'];
}>;

/** `module` is the task's entry, for the threads that score (statistics/threads.ts). */
export async function gather(
  set: Scored,
  draws: Draws,
  histories: readonly LossPoint[],
  module: string,
  context: Context,
): Promise<Findings> {
  const { images, values, labels } = set;
  const smoothed = byModel(context.inputs('smoothed'), (path) => valuesFor(images, path));
  const scores = await scoreSets(new Map([...smoothed, [ENSEMBLE, values]]), labels, draws, {
    module,
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
    bootstrap: { of: 'patients', replicates: draws.replicates, seed: draws.seed, interval: 0.95 },
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

function byClass<T>(of: (c: number) => T): Record<ClassName, T> {
  return Object.fromEntries(CLASSES.map((name, c) => [name, of(c)])) as Record<ClassName, T>;
}

/** What is left for programs: metrics.json. */
export function metricsOf({
  images,
  patients,
  bootstrap,
  ensemble,
  models,
  ensembleFit,
  best,
  operating,
}: Findings): object {
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
