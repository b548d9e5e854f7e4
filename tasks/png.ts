// A PNG of each kind for every image of the metadata table: three neighbouring slices, or three windows of one slice, cropped
// to the head. One node makes all kinds, so that a DICOM file is decoded once. An image without readable pixels becomes
// 512 x 512 zeros and is named in the log; `strict` makes it an error.
import { z } from 'zod';
import { defineTask, InputError } from '../engine/task.ts';
import { dicomPath } from './dicom/folder.ts';
import { kindOf, WINDOW_NAMES } from './imaging/kinds.ts';
import { renderStudy, type Study } from './imaging/render.ts';
import type { Triplet } from './imaging/triplets.ts';
import { columnsOf, readCsv } from './tables/csv.ts';
import { readMetadataColumns } from './tables/metadata.ts';

// Worker threads load this module and look the function up here.
export { renderStudy };

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
    const images = ctx.input('images');
    // An item is a study: its slices are neighbours of each other and of no other study's, so each file is decoded once.
    const studies = await ctx.each(
      studiesOf(triplets, studyOf),
      {
        key: ({ uid }) => uid,
        inputs: (study) => namesOf(study).map((image) => dicomPath(images, image)),
        outputs: {
          images: (study) => kinds.flatMap((kind) => study.triplets.map(([, image]) => `${kind}/${image}.png`)),
        },
        params: { kinds },
        unit: 'studies',
      },
      renderStudy,
    );
    const lines = [...studies].flatMap(({ problems }) =>
      problems.map(({ image, reason }) => `${image}.dcm: ${reason}`),
    );
    if (strict && lines.length > 0)
      throw new InputError(`${lines.length} images that "strict" refuses:\n${lines.join('\n')}`);
    for (const line of lines) ctx.log(line); // The metadata task has warned of each file already.
    ctx.log(`${triplets.length} images as ${kinds.join(' and ')}`);
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

/** In the order of the triplets. */
function studiesOf(triplets: readonly Triplet[], studyOf: ReadonlyMap<string, string>): Study[] {
  const studies = new Map<string, Triplet[]>();
  for (const triplet of triplets) {
    const uid = studyOf.get(triplet[1])!;
    const list = studies.get(uid);
    if (list) list.push(triplet);
    else studies.set(uid, [triplet]);
  }
  return Array.from(studies, ([uid, list]) => ({ uid, triplets: list }));
}

/** Every image that a picture of the study shows. */
function namesOf({ triplets }: Study): string[] {
  return [...new Set(triplets.flat())];
}
