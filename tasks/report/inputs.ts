// Reads what the report is made of, and checks that it belongs together.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { type Artifact, InputError } from '../../engine/task.ts';
import { groupsOf } from '../statistics/losses.ts';
import { shownPath } from '../tables/csv.ts';
import { readJson } from '../tables/json.ts';
import { some } from '../tables/labels.ts';
import { readMetadataColumns } from '../tables/metadata.ts';
import { readPredictions } from '../tables/predictions.ts';

/** By the model's name, in the order of the artifacts. */
export function byModel<T>(artifacts: readonly Artifact[], read: (path: string) => T): Map<string, T> {
  return new Map(artifacts.map(({ path, axes }, i) => [axes.model ?? `model ${i + 1}`, read(path)]));
}

/** A model's probabilities, which must be for the very images of the ensemble: then they lie in its order too. */
export function valuesFor(images: readonly string[], path: string): Float64Array {
  const own = readPredictions(path);
  const known = new Set(own.images);
  const missing = images.filter((image) => !known.has(image));
  if (missing.length > 0 || own.images.length !== images.length) {
    throw new InputError(
      `${shownPath(path)}: ${own.images.length} images, the ensemble has ${images.length}; run predict again`,
    );
  }
  return own.values;
}

/** The patient of each image as a number. InputError for images that the metadata do not have. */
export async function patientsOf(
  images: readonly string[],
  table: string,
): Promise<{ groupOf: Uint32Array; groups: number }> {
  const rows = await readMetadataColumns(table, ['Image', 'PatientID']);
  const patientOf = new Map(rows.map(({ Image, PatientID }) => [Image, PatientID]));
  const missing = images.filter((image) => !patientOf.get(image));
  if (missing.length > 0) throw new InputError(`no patient in the metadata for ${some(missing, 'image')}`);
  return groupsOf(images.map((image) => patientOf.get(image)!));
}

/** What a fold's side holds: the columns of balance.csv. */
export interface Balance {
  readonly scheme: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Of V2: what was taken away. */
  readonly overlap: { readonly header: readonly string[]; readonly rows: readonly (readonly string[])[] } | undefined;
  readonly models: readonly string[];
}

const LINEAGE = z.object({ scheme: z.string(), balance: z.string().nullable(), overlap: z.string().nullable() });

/** The folds of each scheme that a model used, from the leakage check's reports. */
export function readBalances(reports: readonly Artifact[]): Balance[] {
  const schemes = new Map<string, Balance>();
  for (const { path, axes } of reports) {
    const parsed = LINEAGE.safeParse(readJson(path));
    if (!parsed.success) throw new InputError(`${shownPath(path)}: is no report of the leakage check`);
    const { scheme, balance, overlap } = parsed.data;
    const models = [...(schemes.get(scheme)?.models ?? []), axes.model ?? 'model'];
    schemes.set(scheme, {
      scheme,
      models,
      ...tableOf(balance ?? 'Fold'),
      overlap: overlap === null ? undefined : tableOf(overlap),
    });
  }
  return [...schemes.values()];
}

function tableOf(text: string): { header: string[]; rows: string[][] } {
  const [header, ...rows] = text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));
  return { header: header!, rows };
}

/** The first 16 hex digits of a file's SHA-256. */
export function shortDigest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
}
