// The rows that folds are made of: images that have both metadata and labels, counted by patient.
import type { TaskContext } from '../../engine/task.ts';
import { CLASSES } from '../classes.ts';
import { writeCsv } from '../tables/csv.ts';
import { type Labels, some } from '../tables/labels.ts';
import type { MetadataRow } from '../tables/metadata.ts';
import type { Patient } from './assign.ts';

export interface FoldRow {
  readonly image: string;
  readonly patient: string;
  readonly study: string;
  /** In the order of CLASSES, 0 or 1. */
  readonly labels: Uint8Array;
}

/** Sorted by image. Says how many images were left out for want of a label, metadata or a patient. */
export function usableRows(
  table: readonly Pick<MetadataRow, 'Image' | 'PatientID' | 'StudyInstanceUID'>[],
  labels: Labels,
  context: Pick<TaskContext<unknown>, 'log' | 'warn'>,
): FoldRow[] {
  const indexOf = new Map(labels.images.map((image, i) => [image, i]));
  const rows: FoldRow[] = [];
  const nameless: string[] = [];
  for (const { Image, PatientID, StudyInstanceUID } of table) {
    const index = indexOf.get(Image);
    if (index === undefined) continue;
    indexOf.delete(Image);
    if (!PatientID) nameless.push(Image);
    else {
      const start = index * CLASSES.length;
      const own = labels.values.subarray(start, start + CLASSES.length);
      rows.push({ image: Image, patient: PatientID, study: StudyInstanceUID ?? '', labels: own });
    }
  }
  if (nameless.length > 0) context.warn(`without a PatientID, in no fold: ${some(nameless.sort(), 'image')}`);
  if (indexOf.size > 0) context.log(`labelled but without metadata, in no fold: ${some([...indexOf.keys()], 'image')}`);
  context.log(`${rows.length} of ${table.length} images with metadata and of ${labels.images.length} with labels`);
  return rows.sort((a, b) => (a.image < b.image ? -1 : 1));
}

/** What each patient brings to a fold: images, and images with each label. Ascending by ID. */
export function patientsOf(rows: readonly FoldRow[]): Patient[] {
  const counts = new Map<string, number[]>();
  for (const { patient, labels } of rows) {
    const own = counts.get(patient) ?? new Array<number>(1 + CLASSES.length).fill(0);
    own[0] = own[0]! + 1;
    for (let c = 0; c < CLASSES.length; c++) own[c + 1] = own[c + 1]! + labels[c]!;
    counts.set(patient, own);
  }
  return [...counts].map(([id, own]) => ({ id, counts: own })).sort((a, b) => (a.id < b.id ? -1 : 1));
}

export function writeFold(path: string, rows: readonly FoldRow[]): void {
  const lines = rows.map(({ image, patient, study, labels }) => [image, patient, study, ...labels]);
  writeCsv(path, ['Image', 'PatientID', 'StudyInstanceUID', ...CLASSES], lines);
}
