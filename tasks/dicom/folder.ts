// The DICOM files of a folder: which names count, and how an image's name becomes a path again.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../engine/task.ts';

const SUFFIX = '.dcm';

export interface DicomFolder {
  /** Names without `.dcm`, sorted by code unit. */
  readonly images: string[];
  /** What else lies in the folder, sorted. */
  readonly others: string[];
}

/** One readdir, no stat and no promise a file: a folder may hold 750,000. Sub-folders count as others. */
export function listDicomFolder(folder: string): DicomFolder {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw new InputError(
      `${folder}: the folder of DICOM files cannot be read (${(error as NodeJS.ErrnoException).code})`,
    );
  }
  const images = names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length));
  // The default order of sort() is by code unit, the same everywhere; sorting the bare names gives the table's order.
  return { images: images.sort(), others: names.filter((name) => !name.endsWith(SUFFIX)).sort() };
}

export function dicomPath(folder: string, image: string): string {
  return join(folder, image + SUFFIX);
}
