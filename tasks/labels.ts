// The first node: checks labels, images and the sample submission against each other before anything is computed, reports
// all that is wrong at once, and writes the labels as one row an image. Without labels (inference only) it looks for images.
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { defineTask, InputError, type TaskContext } from '../engine/task.ts';
import { CLASSES } from './classes.ts';
import { shownPath } from './tables/csv.ts';
import { readIdTable } from './tables/ids.ts';
import { some, sortedByImage, writeLabels } from './tables/labels.ts';

export default defineTask({
  run(context) {
    if (context.inputs('labels').length === 0) return checkImagesOnly(context);
    const [labelsFile, sampleFile] = [context.inputs('labels')[0]!.path, context.inputs('sample')[0]?.path];
    if (sampleFile === undefined) throw new InputError('labels without a sample submission: name both, or neither');
    const paths = { labels: labelsFile, sample: sampleFile };
    const problems: string[] = [];
    const labels = readIdTable(paths.labels, { isSample: false }, problems);
    const sample = readIdTable(paths.sample, { isSample: true }, problems);
    const train = imagesIn(context.input('train'), problems);
    const test = imagesIn(context.input('test'), problems);

    requireFiles('label', paths.labels, labels?.images, train, context.input('train'), problems);
    requireFiles('row', paths.sample, sample?.images, test, context.input('test'), problems);
    if (problems.length > 0 || !labels || !sample || !train || !test) throw new InputError(problems.join('\n'));

    if (labels.repeats > 0) context.log(`${labels.repeats} rows that repeat another exactly were dropped`);
    const unlabelled = without(train, labels.images);
    if (unlabelled.length > 0) context.warn(`without a label, not used for training: ${some(unlabelled, 'image')}`);
    const unasked = without(test, sample.images);
    if (unasked.length > 0) {
      context.warn(`not asked for by ${basename(paths.sample)}, left out of the submission: ${some(unasked, 'image')}`);
    }
    const inconsistent = labels.images.filter((_, i) => anyDisagrees(labels.values, i));
    if (inconsistent.length > 0)
      context.warn(`"any" disagrees with the five subtypes in ${some(inconsistent, 'image')}`);

    writeLabels(context.output('csv'), sortedByImage(labels));
    context.log(`${labels.images.length} images with labels, ${test.length} test images`);
  },
});

/** What can be checked of images that come alone. Writes a table without rows. */
function checkImagesOnly(context: TaskContext<unknown>): void {
  const problems: string[] = [];
  const images = imagesIn(context.input('test'), problems);
  if (problems.length > 0 || !images) throw new InputError(problems.join('\n'));
  writeLabels(context.output('csv'), { images: [], values: new Uint8Array() });
  context.log(`${images.length} images, without labels`);
}

/** Names of the folder's `.dcm` files without the ending, sorted; undefined, and a problem, when there is no such folder. */
function imagesIn(folder: string, problems: string[]): string[] | undefined {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.dcm'));
    if (names.length === 0) problems.push(`${shownPath(folder)}: no .dcm files in this folder`);
    return names.map((name) => name.slice(0, -'.dcm'.length)).sort();
  } catch (error) {
    problems.push(`${shownPath(folder)}: cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

function requireFiles(
  noun: string,
  table: string,
  named: readonly string[] | undefined,
  present: readonly string[] | undefined,
  folder: string,
  problems: string[],
): void {
  if (named === undefined || present === undefined) return;
  const missing = without(named, present);
  if (missing.length === 0) return;
  problems.push(
    `${shownPath(table)}: a ${noun} without an image file in ${shownPath(folder)} for ${some(missing.sort(), 'image')}`,
  );
}

function without(names: readonly string[], present: readonly string[]): string[] {
  const set = new Set(present);
  return names.filter((name) => !set.has(name));
}

function anyDisagrees(values: ArrayLike<number>, row: number): boolean {
  const start = row * CLASSES.length;
  let largest = 0;
  for (let c = 1; c < CLASSES.length; c++) largest = Math.max(largest, values[start + c]!);
  return values[start] !== largest;
}
