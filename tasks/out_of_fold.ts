// Before smoothing and ensemble are fitted: every prediction they are fitted on must come from the network that did not train
// on that image's patient, and be the very number that this network gave. Fails with names; else writes what it checked.
import { writeFileSync } from 'node:fs';
import { type Artifact, defineTask, InputError } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { foldFiles, patientLookup, readImages } from './folds/lineage.ts';
import { shownPath } from './tables/csv.ts';
import { some } from './tables/labels.ts';
import { type Predictions, readPredictions } from './tables/predictions.ts';

export default defineTask({
  async run(context) {
    const patientOf = await patientLookup(context.input('table'));
    const used = readPredictions(context.input('used'));
    const rowOf = new Map(used.images.map((image, i) => [image, i]));
    const problems: string[] = [];
    const say = (names: readonly string[], noun: string, where: string): void => {
      if (names.length > 0) problems.push(`${where}: ${some(names, noun, 20)}`);
    };
    const made = new Set<string>();
    const folds = context.inputs('made').map((artifact, i) => {
      const fold = Number(artifact.axes.fold ?? i);
      const own = readPredictions(artifact.path);
      const { train, valid } = trainedOn(context.input('folds'), fold, patientOf);
      const where = shownPath(artifact.path);
      say(
        [...new Set(own.images.map((image) => patientOf.get(image)!).filter((p) => train.has(p)))],
        'patient',
        `${where}: predicted by a network that trained on them`,
      );
      say(
        own.images.filter((image) => !valid.has(image)),
        'image',
        `${where}: predicted, but not in valid_${fold}.csv`,
      );
      const predicted = new Set(own.images);
      say(
        [...valid].filter((image) => !predicted.has(image)),
        'image',
        `${where}: in valid_${fold}.csv, but not predicted`,
      );
      say(
        own.images.filter((image, row) => !sameRow(own, row, used, rowOf.get(image))),
        'image',
        `${where}: not the numbers that smoothing is fitted on`,
      );
      for (const image of own.images) made.add(image);
      return { fold, images: own.images.length };
    });
    say(
      used.images.filter((image) => !made.has(image)),
      'image',
      `${shownPath(context.input('used'))}: made by no network`,
    );
    if (problems.length > 0) throw new InputError(`not all predictions are out of fold:\n${problems.join('\n')}`);
    writeFileSync(context.output('report'), `${JSON.stringify({ folds, images: used.images.length }, null, 2)}\n`);
    context.log(`${used.images.length} predictions, each by the network that did not see its patient`);
  },
});

function trainedOn(
  folder: Artifact['path'],
  fold: number,
  patientOf: ReadonlyMap<string, string>,
): { train: Set<string>; valid: Set<string> } {
  const files = foldFiles(folder, fold);
  return {
    train: new Set(readImages(files.train).map((image) => patientOf.get(image) ?? image)),
    valid: new Set(readImages(files.valid)),
  };
}

function sameRow(a: Predictions, row: number, b: Predictions, other: number | undefined): boolean {
  if (other === undefined) return false;
  const width = CLASSES.length;
  for (let c = 0; c < width; c++) if (a.values[row * width + c] !== b.values[other * width + c]) return false;
  return true;
}
