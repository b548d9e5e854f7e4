// How much of a folder may be put aside before it is more likely the wrong folder, or a broken copy, than a few broken files.
import { z } from 'zod';
import { InputError } from '../../engine/task.ts';
import type { QuarantinedFile } from '../dicom/scan.ts';

/** A count of files, or a share of them: `20`, `5%`. */
export const quarantineCap = z.union([
  z.int().nonnegative(),
  z.string().regex(/^\d+(\.\d+)?%$/, 'expected a number of files or a share of them, as in 20 or 5%'),
]);
export type QuarantineCap = z.infer<typeof quarantineCap>;

const SHOWN = 5;

/** A share is rounded up, so that one file in a small folder does not stop a run. */
export function refuseTooMany(
  folder: string,
  quarantine: readonly QuarantinedFile[],
  files: number,
  cap: QuarantineCap,
  line: (file: QuarantinedFile) => string,
): void {
  const most = typeof cap === 'number' ? cap : Math.ceil((Number.parseFloat(cap) / 100) * files);
  if (quarantine.length <= most) return;
  const first = quarantine.slice(0, SHOWN).map((file) => `  ${line(file)}`);
  const more = quarantine.length - first.length;
  throw new InputError(
    [
      `${folder}: ${quarantine.length} of ${files} files cannot be used, and max_quarantine is ${cap}:`,
      ...first,
      ...(more > 0 ? [`  … and ${more} more`] : []),
      'if that is how the data are, raise max_quarantine in pipeline.yml',
    ].join('\n'),
  );
}
