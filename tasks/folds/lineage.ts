// Who was trained on, and who was held out: the questions of the leakage checks.
import { join } from 'node:path';
import { columnsOf, scanCsv } from '../tables/csv.ts';
import { readMetadataColumns } from '../tables/metadata.ts';

export function foldFiles(folder: string, fold: number): { train: string; valid: string } {
  return { train: join(folder, `train_${fold}.csv`), valid: join(folder, `valid_${fold}.csv`) };
}

/** The column Image of a CSV, in the order of the file. */
export function readImages(path: string): string[] {
  const images: string[] = [];
  scanCsv(path, (header) => {
    const [column] = columnsOf(path, header, ['Image']);
    return (fields) => images.push(fields[column!]!);
  });
  return images;
}

/** Image to PatientID, as the DICOM files have it. */
export async function patientLookup(table: string): Promise<Map<string, string>> {
  const rows = await readMetadataColumns(table, ['Image', 'PatientID']);
  return new Map(rows.map(({ Image, PatientID }) => [Image, PatientID]));
}

/** Patients with images in both lists, ascending. */
export function sharedPatients(
  train: readonly string[],
  valid: readonly string[],
  patientOf: ReadonlyMap<string, string>,
): string[] {
  const seen = new Set(train.map((image) => patientOf.get(image)));
  const shared = new Set(valid.map((image) => patientOf.get(image)).filter((patient) => seen.has(patient)));
  return [...shared].filter((patient) => patient !== undefined).sort();
}
