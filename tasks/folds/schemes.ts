// The three ways to fold: V1 (made here), V2 (V1 without the patients of another image set), and a team's own files.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { InputError } from '../../engine/task.ts';
import { CLASSES } from '../classes.ts';
import { columnsOf, scanCsv, shownPath } from '../tables/csv.ts';
import { some, splitId } from '../tables/labels.ts';
import { readMetadataColumns } from '../tables/metadata.ts';
import { assignFolds } from './assign.ts';
import { type FoldRow, patientsOf } from './rows.ts';

/** Rows of the training and validation set of each fold, each sorted by image. */
export interface Fold {
  readonly train: readonly FoldRow[];
  readonly valid: readonly FoldRow[];
}

/** V1: each patient is held out in one fold. InputError for fewer patients than folds. */
export function makeFolds(rows: readonly FoldRow[], folds: number, seed: number): Fold[] {
  const patients = patientsOf(rows);
  if (patients.length < folds) {
    throw new InputError(`${patients.length} patients for ${folds} folds: every fold needs one; lower n_folds`);
  }
  const foldOf = assignFolds(patients, folds, seed);
  const heldOut = new Map(patients.map((patient, i) => [patient.id, foldOf[i]!]));
  return Array.from({ length: folds }, (_, fold) => ({
    train: rows.filter((row) => heldOut.get(row.patient) !== fold),
    valid: rows.filter((row) => heldOut.get(row.patient) === fold),
  }));
}

/** V2: the training sets without these patients; what is validated stays as it is. */
export function withoutPatients(folds: readonly Fold[], patients: ReadonlySet<string>): Fold[] {
  const kept = folds.map(({ train, valid }) => ({ train: train.filter((row) => !patients.has(row.patient)), valid }));
  const empty = kept.findIndex(({ train }) => train.length === 0);
  if (empty >= 0)
    throw new InputError(`fold ${empty}: all its patients are also in the other set: nothing to train on`);
  return kept;
}

/**
 * The patients of an image set: a metadata table (.parquet), a CSV with a column PatientID, or a list of images (a sample
 * submission's ID, or a column Image) that are looked up among `rows`. InputError when none of them is known.
 */
export async function patientsIn(path: string, rows: readonly FoldRow[]): Promise<Set<string>> {
  if (path.endsWith('.parquet')) {
    return new Set((await readMetadataColumns(path, ['PatientID'])).map((row) => row.PatientID).filter(Boolean));
  }
  const patientOf = new Map(rows.map(({ image, patient }) => [image, patient]));
  const patients = new Set<string>();
  scanCsv(path, (header) => {
    const known = ['PatientID', 'Image', 'ID'].find((name) => header.includes(name));
    const [column] = columnsOf(path, header, [known ?? 'PatientID']);
    return (fields) => {
      const field = fields[column!]!;
      const patient = known === 'PatientID' ? field : patientOf.get(known === 'ID' ? imageOf(field) : field);
      if (patient) patients.add(patient);
    };
  });
  if (patients.size > 0) return patients;
  throw new InputError(
    `${shownPath(path)}: none of its images is in the training set, so their patients are unknown; give the metadata table of that set (.parquet), or a CSV with a column PatientID`,
  );
}

function imageOf(id: string): string {
  return splitId(id)?.image ?? id;
}

/**
 * A team's own `train_N.csv` and `valid_N.csv`, N = 0..folds-1. Only the column Image is needed; PatientID and labels, where
 * given, must agree with ours. InputError, with all that is wrong: a missing or surplus file, an unknown image, one that
 * stands twice, a patient on both sides.
 */
export function readOwnFolds(folder: string, rows: readonly FoldRow[], folds: number): Fold[] {
  const problems: string[] = [];
  checkFiles(folder, folds, problems);
  const rowOf = new Map(rows.map((row) => [row.image, row]));
  const read = (name: string): FoldRow[] => readSide(join(folder, name), rowOf, problems);
  const result =
    problems.length > 0
      ? []
      : Array.from({ length: folds }, (_, fold) => ({
          train: read(`train_${fold}.csv`),
          valid: read(`valid_${fold}.csv`),
        }));
  for (const [fold, { train, valid }] of result.entries()) {
    const both = patientsOnBothSides(train, valid);
    if (both.length > 0) {
      problems.push(`${shownPath(folder)}: train_${fold}.csv and valid_${fold}.csv share ${some(both, 'patient', 20)}`);
    }
  }
  const times = new Map<string, number>();
  for (const { valid } of result) for (const { image } of valid) times.set(image, (times.get(image) ?? 0) + 1);
  const twice = [...times].filter(([, count]) => count > 1).map(([image]) => image);
  if (twice.length > 0) problems.push(`${shownPath(folder)}: more than one fold validates ${some(twice, 'image')}`);
  if (problems.length > 0) throw new InputError(problems.join('\n'));
  return result;
}

/** Ascending. */
function patientsOnBothSides(train: readonly FoldRow[], valid: readonly FoldRow[]): string[] {
  const seen = new Set(train.map((row) => row.patient));
  return [...new Set(valid.map((row) => row.patient))].filter((patient) => seen.has(patient)).sort();
}

function checkFiles(folder: string, folds: number, problems: string[]): void {
  const wanted = Array.from({ length: folds }, (_, n) => [`train_${n}.csv`, `valid_${n}.csv`]).flat();
  const missing = wanted.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0)
    problems.push(`${shownPath(folder)}: n_folds is ${folds}, and it lacks ${missing.join(', ')}`);
  const surplus = existsSync(folder)
    ? readdirSync(folder).filter((name) => /^(train|valid)_\d+\.csv$/.test(name) && !wanted.includes(name))
    : [];
  if (surplus.length > 0)
    problems.push(`${shownPath(folder)}: n_folds is ${folds}, and it has ${surplus.join(', ')} too`);
}

function readSide(path: string, rowOf: ReadonlyMap<string, FoldRow>, problems: string[]): FoldRow[] {
  const found: FoldRow[] = [];
  const seen = new Set<string>();
  const wrong = { unknown: [] as string[], twice: [] as string[], patient: [] as string[], labels: [] as string[] };
  scanCsv(path, (header) => {
    const [imageColumn] = columnsOf(path, header, ['Image']);
    const patientColumn = header.indexOf('PatientID');
    const labelColumns = CLASSES.map((name) => header.indexOf(name));
    return (fields) => {
      const image = fields[imageColumn!]!;
      const row = rowOf.get(image);
      if (row === undefined) return wrong.unknown.push(image);
      if (seen.has(image)) return wrong.twice.push(image);
      seen.add(image);
      if (patientColumn >= 0 && fields[patientColumn] !== row.patient) wrong.patient.push(image);
      if (labelColumns.some((at, c) => at >= 0 && Number(fields[at]) !== row.labels[c])) wrong.labels.push(image);
      return found.push(row);
    };
  });
  const say = (images: readonly string[], what: string): void => {
    if (images.length > 0) problems.push(`${shownPath(path)}: ${what}: ${some(images, 'image')}`);
  };
  say(wrong.unknown, 'not among the images with metadata and labels');
  say(wrong.twice, 'stands there twice');
  say(wrong.patient, 'another PatientID than in the DICOM file');
  say(wrong.labels, 'other labels than in the label table');
  if (found.length === 0 && wrong.unknown.length === 0) problems.push(`${basename(path)}: no images in it`);
  return found.sort((a, b) => (a.image < b.image ? -1 : 1));
}
