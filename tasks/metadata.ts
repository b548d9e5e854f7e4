// A folder of DICOM files becomes the metadata table. Only headers are read. A file that is no usable image is left out,
// one with too little pixel data stays in (its picture will be all zero); both are named, and `strict` makes them errors.
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { defineTask, InputError } from '../engine/task.ts';
import { listDicomFolder } from './dicom/folder.ts';
import { type HeaderBatch, type HeaderResult, type QuarantinedFile, scanHeaders } from './dicom/scan.ts';
import { inBatches, runBatches } from './imaging/pool.ts';
import { createMetadata, type MetadataRow } from './tables/metadata.ts';

// The workers load this module and look the function up here.
export { scanHeaders };

// Some 20 ms of work: far more than handing a batch over costs, and little enough to share out evenly.
const BATCH_FILES = 256;
// Starting a worker costs some 0.3 s, as do so many headers that lie in the page cache.
const FILES_WORTH_A_WORKER = 8192;
const SHOWN_WARNINGS = 100;

export default defineTask({
  params: z.strictObject({ strict: z.boolean() }),
  async run(ctx) {
    const folder = ctx.input('images');
    const { images, others } = listDicomFolder(folder);
    const quarantine: QuarantinedFile[] = others.map((file) => ({
      file,
      status: 'left-out',
      reason: 'its name does not end in .dcm',
    }));
    const table = await createMetadata(ctx.output('table'));
    const seen = new Map<string, string>();
    let [done, rows] = [0, 0];
    await runBatches<HeaderBatch, HeaderResult>({
      module: import.meta.url,
      worker: scanHeaders,
      exportedAs: 'scanHeaders',
      cores: Math.min(ctx.cores, Math.ceil(images.length / FILES_WORTH_A_WORKER)),
      signal: ctx.signal,
      batches: batchesOf(folder, images),
      async take(result, batch) {
        refuseDuplicates(result.rows, seen);
        await table.append(result.rows);
        quarantine.push(...result.quarantine);
        rows += result.rows.length;
        done += batch.images.length;
        ctx.progress(done, images.length, 'files');
      },
    });
    await table.close();
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

function* batchesOf(folder: string, images: readonly string[]): Generator<HeaderBatch> {
  for (const batch of inBatches(images, BATCH_FILES)) yield { folder, images: batch };
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
