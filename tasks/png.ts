// A PNG of each kind for every image of the metadata table: three neighbouring slices, or three windows of one slice, cropped
// to the head. One node makes all kinds, so that a DICOM file is decoded once. An image without readable pixels becomes
// 512 x 512 zeros and is named in the log; `strict` makes it an error.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { defineTask, InputError } from '../engine/task.ts';
import { kindOf, WINDOW_NAMES } from './imaging/kinds.ts';
import { runBatches } from './imaging/pool.ts';
import { type RenderBatch, type RenderResult, renderStudies } from './imaging/render.ts';
import type { Triplet } from './imaging/triplets.ts';
import { columnsOf, readCsv } from './tables/csv.ts';
import { readMetadataColumns } from './tables/metadata.ts';

// The workers load this module and look the function up here.
export { renderStudies };

// At least so many pictures a batch (some 0.3 s of work at 512 x 512), cut where a study ends.
const BATCH_PICTURES = 24;

const imageKind = z.string().refine((name) => kindOf(name) !== null, {
  error: ({ input }) =>
    `"${input}" is no kind of image: adjacent_hu, one window, or three joined by _, of ${WINDOW_NAMES.join(', ')}`,
});

export default defineTask({
  params: z.strictObject({ kinds: z.array(imageKind).min(1), strict: z.boolean() }),
  async run(ctx) {
    const { kinds, strict } = ctx.params;
    const rows = await readMetadataColumns(ctx.input('table'), ['Image', 'StudyInstanceUID']);
    const studyOf = new Map(rows.map((row) => [row.Image, row.StudyInstanceUID]));
    const triplets = readTriplets(ctx.input('triplets'), studyOf);
    const output = ctx.output('images');
    for (const kind of kinds) mkdirSync(join(output, kind), { recursive: true });
    const batches = studyBatches(triplets, studyOf);
    const problems: RenderResult['problems'] = [];
    let done = 0;
    await runBatches<RenderBatch, RenderResult>({
      module: import.meta.url,
      worker: renderStudies,
      exportedAs: 'renderStudies',
      cores: Math.min(ctx.cores, batches.length),
      signal: ctx.signal,
      batches: batches.map((batch) => ({ folder: ctx.input('images'), output, kinds, triplets: batch })),
      take(result, batch) {
        problems.push(...result.problems);
        done += batch.triplets.length;
        ctx.progress(done, triplets.length, 'images');
      },
    });
    const lines = problems.map(({ image, reason }) => `${image}.dcm: ${reason}`);
    if (strict && lines.length > 0)
      throw new InputError(`${lines.length} images that "strict" refuses:\n${lines.join('\n')}`);
    for (const line of lines) ctx.log(line); // The metadata task has warned of each file already.
    ctx.log(`${done} images as ${kinds.join(' and ')}`);
  },
});

function readTriplets(path: string, studyOf: ReadonlyMap<string, string>): Triplet[] {
  const { header, rows } = readCsv(path);
  const [red, green, blue] = columnsOf(path, header, ['red', 'green', 'blue']) as [number, number, number];
  const triplets = rows.map((row): Triplet => [row[red]!, row[green]!, row[blue]!]);
  const unknown = triplets.flat().find((image) => !studyOf.has(image));
  if (unknown !== undefined) throw new InputError(`${path}: image ${unknown} is not in the metadata table`);
  const pictures = new Set(triplets.map((triplet) => triplet[1]));
  if (pictures.size !== triplets.length || pictures.size !== studyOf.size) {
    throw new InputError(
      `${path}: ${triplets.length} rows for ${studyOf.size} images; expected each image once as green`,
    );
  }
  return triplets;
}

/** Whole studies, several a batch where they are short: no slice is decoded by two workers. */
function studyBatches(triplets: readonly Triplet[], studyOf: ReadonlyMap<string, string>): Triplet[][] {
  const batches: Triplet[][] = [];
  let batch: Triplet[] = [];
  for (const [i, triplet] of triplets.entries()) {
    const before = triplets[i - 1];
    const isNewStudy = before !== undefined && studyOf.get(before[1]) !== studyOf.get(triplet[1]);
    if (isNewStudy && batch.length >= BATCH_PICTURES) {
      batches.push(batch);
      batch = [];
    }
    batch.push(triplet);
  }
  return batch.length > 0 ? [...batches, batch] : batches;
}
