// A folder of DICOM files becomes the metadata table and a data card. Only headers are read. A file that is no usable image is
// left out, so that its neighbours become each other's; one without its pixel data stays in (its picture will be all zero).
// Both are named in the quarantine list, whose length is capped, and `strict` makes them errors.
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { defineTask, InputError, type TaskContext } from '../engine/task.ts';
import { dicomPath, listDicomFolder } from './dicom/folder.ts';
import { type QuarantinedFile, type ScannedFile, scanHeader } from './dicom/scan.ts';
import { quarantineCap, refuseTooMany } from './metadata/cap.ts';
import type { DataCard } from './metadata/card.ts';
import { type Collector, createCollector, NO_SUFFIX } from './metadata/collect.ts';
import { createMetadata, type MetadataRow } from './tables/metadata.ts';

// Worker threads load this module and look the function up here.
export { scanHeader };

/** Rows are handed to the table so many at a time. */
const ROWS_AT_ONCE = 1024;
const SHOWN_WARNINGS = 100;

export default defineTask({
  params: z.strictObject({ strict: z.boolean(), max_quarantine: quarantineCap.default('10%') }),
  async run(ctx) {
    const folder = ctx.input('images');
    const { images, others } = listDicomFolder(folder);
    const files = await ctx.each(
      images,
      { key: (image) => image, inputs: (image) => [dicomPath(folder, image)], unit: 'files' },
      scanHeader,
    );
    const outdone = new Map<string, string>();
    let collector: Collector;
    do {
      collector = createCollector(folder, others, outdone);
      await writeTable(ctx.output('table'), images, files, collector);
      for (const [image, sound] of collector.outdone) outdone.set(image, sound);
    } while (collector.outdone.size > 0);
    const [card, { quarantine }] = [collector.card(), collector];
    if (card.images === 0) throw new InputError(`${folder}: no usable image${summary(quarantine)}`);
    if (ctx.params.strict && quarantine.length > 0) {
      throw new InputError(
        `${folder}: ${quarantine.length} files that "strict" refuses:\n${quarantine.map(lineOf).join('\n')}`,
      );
    }
    refuseTooMany(folder, quarantine, card.files, ctx.params.max_quarantine, lineOf);
    for (const problem of quarantine.slice(0, SHOWN_WARNINGS)) ctx.warn(lineOf(problem));
    const more = quarantine.length - SHOWN_WARNINGS;
    if (more > 0) ctx.warn(`… and ${more} more files, all named in ${ctx.output('quarantine')}`);
    warnOfIdentity(card, ctx);
    warnOfReformats(card, ctx);
    writeFileSync(ctx.output('quarantine'), `${JSON.stringify(quarantine, null, 1)}\n`);
    writeFileSync(ctx.output('card'), `${JSON.stringify(card, null, 1)}\n`);
    ctx.log(`${card.images} images in ${folder}, ${quarantine.length} files left out or zeroed`);
  },
});

/** Row by row, so that memory stays flat. */
async function writeTable(
  path: string,
  images: readonly string[],
  files: Iterable<ScannedFile>,
  collector: Collector,
): Promise<void> {
  const table = await createMetadata(path);
  let batch: MetadataRow[] = [];
  let at = 0;
  for (const file of files) {
    const row = collector.add(images[at++]!, file);
    if (row) batch.push(row);
    if (batch.length < ROWS_AT_ONCE) continue;
    await table.append(batch);
    batch = [];
  }
  await table.append(batch);
  await table.close();
}

/** Names of elements and counts: what they hold is nobody's business here. */
function warnOfIdentity({ identity, images }: DataCard, { warn }: Pick<TaskContext<unknown>, 'warn'>): void {
  const found = Object.entries(identity).map(([element, count]) => `${element} (${count})`);
  if (found.length === 0) return;
  warn(`identity is filled in, of ${images} images: ${found.join(', ')}; remove it before you share these files`);
}

/** Exports often hold them beside the axial series. */
function warnOfReformats({ planes }: DataCard, { warn }: Pick<TaskContext<unknown>, 'warn'>): void {
  const found = ['coronal', 'sagittal'].filter((plane) => planes[plane]).map((plane) => `${planes[plane]} ${plane}`);
  if (found.length > 0)
    warn(`${found.join(' and ')} images: predictions are for axial slices, so leave their series out`);
}

function lineOf({ file, status, reason }: QuarantinedFile): string {
  return `${file}: ${reason}; ${status === 'left-out' ? 'left out' : 'kept as an all-zero image'}`;
}

function summary(quarantine: readonly QuarantinedFile[]): string {
  if (quarantine.length === 0) return ', it is empty; expected files named IMAGE.dcm';
  if (quarantine.every(({ reason }) => reason === NO_SUFFIX)) {
    return `, ${quarantine.length} other files and folders; images lie in the folder itself, as IMAGE.dcm: the README has a line that links a tree of files into such a folder`;
  }
  return `; the first of ${quarantine.length} files: ${lineOf(quarantine[0]!)}`;
}
