// The images of one side of a fold with their labels, from `train_N.csv` or `valid_N.csv`, and what must hold before training.
import { readdirSync } from 'node:fs';
import { InputError } from '../../../engine/task.ts';
import { columnsOf, scanCsv, shownPath } from '../../tables/csv.ts';
import { readLabels, some } from '../../tables/labels.ts';

export interface LabelledImages {
  readonly images: readonly string[];
  /** PatientID of each image. */
  readonly patients: readonly string[];
  /** (N, 6) in the order of CLASSES. */
  readonly labels: Float32Array;
}

/** Reads columns Image, PatientID and the classes. InputError: an empty table, a repeated image, a label other than 0 or 1. */
export function readFold(file: string): LabelledImages {
  const { images, values } = readLabels(file);
  if (images.length === 0)
    throw new InputError(`${shownPath(file)}: no images in this fold; lower n_folds, or add data`);
  const patients: string[] = [];
  scanCsv(file, (header) => {
    const [column] = columnsOf(file, header, ['PatientID']);
    return (fields) => patients.push(fields[column!]!);
  });
  return { images, patients, labels: Float32Array.from(values) };
}

/** InputError naming the patients on both sides: a network that has seen a patient cannot be validated on them. */
export function refuseLeak(train: LabelledImages, valid: LabelledImages): void {
  const seen = new Set(train.patients);
  const both = [...new Set(valid.patients)].filter((patient) => seen.has(patient));
  if (both.length > 0) throw new InputError(`training and validation set share ${some(both, 'patient')}`);
}

/** InputError naming the images that have no PNG in the folder. */
export function refuseMissing(folder: string, images: readonly string[]): void {
  const files = new Set(readdirSync(folder));
  const missing = images.filter((image) => !files.has(`${image}.png`));
  if (missing.length > 0) throw new InputError(`${shownPath(folder)} lacks the PNG of ${some(missing, 'image')}`);
}
