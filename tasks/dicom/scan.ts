// An item of the metadata task: one file's header as a row of the table, or what is wrong with the file.
import type { ItemContext } from '../../engine/task.ts';
import { dicomPath } from './folder.ts';
import { readHeader } from './header.ts';
import { type DescribedImage, describeImage, leftOut, type Problem } from './image.ts';
import { isZeroFilled, ZERO_FILLED } from './zeros.ts';

/** An entry of the quarantine list. */
export interface QuarantinedFile extends Problem {
  readonly file: string;
}

/** A file may have both: a row, and a problem that does not keep it out of the table. */
export type ScannedFile = DescribedImage;

/** Reads the header of `image` (a name without `.dcm`) in the input `images`. A file that cannot be read is a problem, no error. */
export function scanHeader(image: string, { input }: Pick<ItemContext<undefined>, 'input'>): ScannedFile {
  try {
    const path = dicomPath(input('images'), image);
    const header = readHeader(path);
    if ('reason' in header) return leftOut(header.reason);
    const described = describeImage(image, header);
    if (!described.row || described.problem || !isZeroFilled(path, header)) return described;
    return { ...described, problem: { status: 'zeroed', reason: ZERO_FILLED } };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return leftOut(`it cannot be read (${code ?? message})`);
  }
}
