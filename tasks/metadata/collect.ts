// What the metadata task makes of its files one after the other: rows for the table, the quarantine, the data card. Copies of
// one image are dropped; two different files that claim to be one image are an error.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InputError } from '../../engine/task.ts';
import { dicomPath } from '../dicom/folder.ts';
import type { QuarantinedFile, ScannedFile } from '../dicom/scan.ts';
import type { MetadataRow } from '../tables/metadata.ts';
import { createCard, type DataCard } from './card.ts';

export interface Collector {
  /** The image's row, or null where it gets none. */
  add(image: string, file: ScannedFile): MetadataRow | null;
  readonly quarantine: readonly QuarantinedFile[];
  card(): DataCard;
}

/** `others` are files that are no images by their names. */
export function createCollector(folder: string, others: readonly string[]): Collector {
  const quarantine: QuarantinedFile[] = [];
  const card = createCard();
  const imageOf = new Map<string, string>();
  const putAside = (file: QuarantinedFile, isCopy = false) => {
    quarantine.push(file);
    card.addProblem(file, isCopy);
  };
  for (const file of others) putAside({ file, status: 'left-out', reason: 'its name does not end in .dcm' });
  return {
    add(image, { row, problem, facts }) {
      const file = `${image}.dcm`;
      if (problem) putAside({ file, ...problem });
      if (!row || !facts) return null;
      const other = imageOf.get(row.SOPInstanceUID);
      if (other !== undefined) {
        refuseDifferent(folder, other, image, row.SOPInstanceUID);
        putAside({ file, status: 'left-out', reason: `it is a copy of ${other}.dcm, byte for byte` }, true);
        return null;
      }
      imageOf.set(row.SOPInstanceUID, image);
      card.addImage(row, facts);
      return row;
    },
    quarantine,
    card: () => card.finish(),
  };
}

function refuseDifferent(folder: string, one: string, other: string, uid: string): void {
  if (digestOf(dicomPath(folder, one)) === digestOf(dicomPath(folder, other))) return;
  throw new InputError(
    `${one}.dcm and ${other}.dcm are different files of one image (SOPInstanceUID ${uid}): remove one`,
  );
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
