// What the metadata task makes of its files one after the other: rows for the table, the quarantine, the data card. Copies of
// one image are dropped, and so is a damaged file of an image of which there is a sound one; two different sound files that claim
// to be one image are an error.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InputError } from '../../engine/task.ts';
import { dicomPath } from '../dicom/folder.ts';
import type { Problem } from '../dicom/image.ts';
import type { QuarantinedFile, ScannedFile } from '../dicom/scan.ts';
import type { MetadataRow } from '../tables/metadata.ts';
import { createCard, type DataCard } from './card.ts';

export const NO_SUFFIX = 'its name does not end in .dcm';

export interface Collector {
  /** The image's row, or null where it gets none. */
  add(image: string, file: ScannedFile): MetadataRow | null;
  readonly quarantine: readonly QuarantinedFile[];
  /** Damaged images that got a row before a sound file of the same image was met, and that file: begin again without them. */
  readonly outdone: ReadonlyMap<string, string>;
  card(): DataCard;
}

/** `others` are files that are no images by their names; `outdone` is what an earlier collector found. */
export function createCollector(
  folder: string,
  others: readonly string[],
  outdone: ReadonlyMap<string, string> = new Map(),
): Collector {
  const quarantine: QuarantinedFile[] = [];
  const card = createCard();
  const imageOf = new Map<string, string>();
  const damaged = new Set<string>();
  const found = new Map<string, string>();
  const putAside = (file: QuarantinedFile, isCopy = false) => {
    quarantine.push(file);
    card.addProblem(file, isCopy);
  };
  const dropCopy = (image: string, of: string, problem: Problem | null) => {
    const reason = problem
      ? `it is a damaged copy of ${of}.dcm: ${problem.reason}`
      : `it is a copy of ${of}.dcm, byte for byte`;
    putAside({ file: `${image}.dcm`, status: 'left-out', reason }, true);
    return null;
  };
  for (const file of others) putAside({ file, status: 'left-out', reason: NO_SUFFIX });
  return {
    add(image, { row, problem, facts }) {
      const sound = outdone.get(image);
      if (sound !== undefined) return dropCopy(image, sound, problem);
      const other = row ? imageOf.get(row.SOPInstanceUID) : undefined;
      if (row && other !== undefined) {
        if (isSame(folder, image, other)) return dropCopy(image, other, null);
        if (problem) return dropCopy(image, other, problem);
        if (!damaged.has(other)) refuseDifferent(other, image, row.SOPInstanceUID);
        found.set(other, image);
      }
      if (problem) putAside({ file: `${image}.dcm`, ...problem });
      if (!row || !facts) return null;
      imageOf.set(row.SOPInstanceUID, image);
      if (problem) damaged.add(image);
      card.addImage(row, facts);
      return row;
    },
    quarantine,
    outdone: found,
    card: () => card.finish(),
  };
}

function refuseDifferent(one: string, other: string, uid: string): never {
  throw new InputError(
    `${one}.dcm and ${other}.dcm are different files of one image (SOPInstanceUID ${uid}): remove one`,
  );
}

function isSame(folder: string, one: string, other: string): boolean {
  return digestOf(dicomPath(folder, one)) === digestOf(dicomPath(folder, other));
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
