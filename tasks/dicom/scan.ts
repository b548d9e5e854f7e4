// An item of the metadata task: one file's header as a row of the table, or what is wrong with the file.
import type { ItemContext } from '../../engine/task.ts';
import type { MetadataRow } from '../tables/metadata.ts';
import { dicomPath } from './folder.ts';
import { readHeader } from './header.ts';
import { describeImage, type Problem } from './image.ts';

/** An entry of the quarantine list. */
export interface QuarantinedFile extends Problem {
  readonly file: string;
}

/** A file may have both: a row, and a problem that does not keep it out of the table. */
export interface ScannedFile {
  readonly row: MetadataRow | null;
  readonly problem: Problem | null;
}

/** Reads the header of `image` (a name without `.dcm`) in the input `images`. A file that cannot be read is a problem, no error. */
export function scanHeader(image: string, { input }: Pick<ItemContext<undefined>, 'input'>): ScannedFile {
  try {
    const header = readHeader(dicomPath(input('images'), image));
    if ('reason' in header) return { row: null, problem: { status: 'left-out', reason: header.reason } };
    return describeImage(image, header);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { row: null, problem: { status: 'left-out', reason: `it cannot be read (${code ?? message})` } };
  }
}
