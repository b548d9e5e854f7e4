// A folder of DICOM files becomes the metadata table. Only headers are read. A file that is no usable image is left out,
// one with too little pixel data stays in (its picture will be all zero); both are named, and `strict` makes them errors.
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { defineTask, InputError } from '../engine/task.ts';
import { dicomPath, listDicomFolder } from './dicom/folder.ts';
import { type QuarantinedFile, type ScannedFile, scanHeader } from './dicom/scan.ts';
import { createMetadata, type MetadataRow } from './tables/metadata.ts';

// Worker threads load this module and look the function up here.
export { scanHeader };

/** Rows are handed to the table so many at a time. */
const ROWS_AT_ONCE = 1024;
const SHOWN_WARNINGS = 100;

export default defineTask({
  params: z.strictObject({ strict: z.boolean() }),
  async run(ctx) {
    const folder = ctx.input('images');
    const { images, others } = listDicomFolder(folder);
    const files = await ctx.each(
      images,
      { key: (image) => image, inputs: (image) => [dicomPath(folder, image)], unit: 'files' },
      scanHeader,
    );
    const quarantine: QuarantinedFile[] = others.map((file) => ({
      file,
      status: 'left-out',
      reason: 'its name does not end in .dcm',
    }));
    const rows = await writeTable(ctx.output('table'), images, files, quarantine);
    if (rows === 0) throw new InputError(`${folder}: no usable image${summary(quarantine)}`);
    if (ctx.params.strict && quarantine.length > 0) {
      throw new InputError(
        `${folder}: ${quarantine.length} files that "strict" refuses:\n${quarantine.map(lineOf).join('\n')}`,
      );
    }
    for (const problem of quarantine.slice(0, SHOWN_WARNINGS)) ctx.warn(lineOf(problem));
    const more = quarantine.length - SHOWN_WARNINGS;
    if (more > 0) ctx.warn(`… and ${more} more files, all named in ${ctx.output('quarantine')}`);
    writeFileSync(ctx.output('quarantine'), `${JSON.stringify(quarantine, null, 1)}\n`);
    ctx.log(`${rows} images in ${folder}, ${quarantine.length} files left out or zeroed`);
  },
});

/** Row by row, so that memory stays flat; adds to `quarantine`. Returns the number of rows. */
async function writeTable(
  path: string,
  images: readonly string[],
  files: Iterable<ScannedFile>,
  quarantine: QuarantinedFile[],
): Promise<number> {
  const table = await createMetadata(path);
  const seen = new Map<string, string>();
  let batch: MetadataRow[] = [];
  let [at, rows] = [0, 0];
  const flush = async () => {
    refuseDuplicates(batch, seen);
    await table.append(batch);
    rows += batch.length;
    batch = [];
  };
  for (const { row, problem } of files) {
    if (row) batch.push(row);
    if (problem) quarantine.push({ file: `${images[at]}.dcm`, ...problem });
    at++;
    if (batch.length === ROWS_AT_ONCE) await flush();
  }
  await flush();
  await table.close();
  return rows;
}

function refuseDuplicates(rows: readonly MetadataRow[], seen: Map<string, string>): void {
  for (const { SOPInstanceUID, Image } of rows) {
    const other = seen.get(SOPInstanceUID);
    if (other !== undefined) {
      throw new InputError(
        `${other}.dcm and ${Image}.dcm are the same image (SOPInstanceUID ${SOPInstanceUID}): remove one`,
      );
    }
    seen.set(SOPInstanceUID, Image);
  }
}

function lineOf({ file, status, reason }: QuarantinedFile): string {
  return `${file}: ${reason}; ${status === 'left-out' ? 'left out' : 'kept as an all-zero image'}`;
}

function summary(quarantine: readonly QuarantinedFile[]): string {
  if (quarantine.length === 0) return ', it is empty; expected files named IMAGE.dcm';
  return `; the first of ${quarantine.length} files: ${lineOf(quarantine[0]!)}`;
}
