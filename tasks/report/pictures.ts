// The pictures of the report: which images to show, and small PNGs of them as data URIs.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { CLASSES } from '../classes.ts';
import { dicomPath } from '../dicom/folder.ts';
import { readImage } from '../dicom/pixels.ts';
import { cropHead, type RgbImage } from '../imaging/crop.ts';
import { toPlanes } from '../imaging/hounsfield.ts';
import { WINDOWS, windowTable } from '../imaging/windows.ts';
import { imageLosses } from '../statistics/losses.ts';
import type { Example, Pictures } from './findings.ts';
import { truthOf } from './sheets.ts';

/** The longer side, in pixels: sixty of them stay far below the report's 5 MB. */
const SIDE = 144;
const WORST = 12;
const CROPS = 3;

export interface Scored {
  readonly images: readonly string[];
  /** (N, 6) each. */
  readonly values: Float64Array;
  readonly labels: Uint8Array;
}

/** `png` and `images` are the folders of the networks' pictures and of the DICOM files. */
export async function drawPictures(
  set: Scored,
  groupOf: Uint32Array,
  { png, images }: { readonly png: string; readonly images: string },
): Promise<Pictures> {
  const losses = imageLosses(set.values, set.labels);
  const width = CLASSES.length;
  const show = async (row: number): Promise<Example> => ({
    image: set.images[row]!,
    picture: await thumbnail(png, set.images[row]!),
    truth: truthOf(set.labels, row),
    values: [...set.values.subarray(row * width, (row + 1) * width)],
    loss: losses[row]!,
  });
  const found = examples(set, groupOf);
  const crops: { image: string; whole: string; cropped: string }[] = [];
  // One after the other: the reader's pixels are good until the next file is read.
  for (const { rows } of found.slice(-CROPS)) {
    const image = set.images[rows[0] ?? 0]!;
    const pair = await beforeAndAfterCrop(images, image);
    if (pair) crops.push({ image, ...pair });
  }
  return {
    examples: await Promise.all(
      found.map(async ({ name, rows }) => ({ name, shown: await Promise.all(rows.map(show)) })),
    ),
    worst: await Promise.all(worstErrors(set, groupOf, WORST).map(({ row }) => show(row))),
    crops,
  };
}

/** For each class the two most certain right answers, of two patients, and two images of nobody's bleeding. Row numbers. */
function examples({ values, labels }: Scored, groupOf: Uint32Array): { name: string; rows: number[] }[] {
  const width = CLASSES.length;
  const best = (score: (row: number) => number): number[] => top(labels.length / width, score, groupOf, 2);
  const subtypes = CLASSES.slice(1).map((name, c) => ({
    name: name as string,
    rows: best((row) => (labels[row * width + c + 1] === 1 ? values[row * width + c + 1]! : Number.NEGATIVE_INFINITY)),
  }));
  const none = best((row) => (labels[row * width] === 0 ? 1 - values[row * width]! : Number.NEGATIVE_INFINITY));
  return [...subtypes, { name: 'none', rows: none }];
}

/** The images that cost most, one a patient, the worst first. */
function worstErrors({ values, labels }: Scored, groupOf: Uint32Array, count: number): { row: number; loss: number }[] {
  const losses = imageLosses(values, labels);
  return top(losses.length, (row) => losses[row]!, groupOf, count).map((row) => ({ row, loss: losses[row]! }));
}

/** Row numbers of the highest scores, each of another group; -Infinity never. Ties by row. */
function top(rows: number, score: (row: number) => number, groupOf: Uint32Array, count: number): number[] {
  const best = new Map<number, { row: number; score: number }>();
  for (let row = 0; row < rows; row++) {
    const own = score(row);
    if (own === Number.NEGATIVE_INFINITY) continue;
    const known = best.get(groupOf[row]!);
    if (known === undefined || own > known.score) best.set(groupOf[row]!, { row, score: own });
  }
  const sorted = [...best.values()].sort((a, b) => b.score - a.score || a.row - b.row);
  return sorted.slice(0, count).map(({ row }) => row);
}

/** The channel that shows the slice itself, in the order of preference: the brain window, else the slice's HU. */
const SHOWN = [
  { kind: 'brain_subdural_bone', channel: 0 },
  { kind: 'adjacent_hu', channel: 1 },
] as const;

/** A PNG of the png task in grey, made small; `folder` has a folder for each kind. Undefined where neither kind was made. */
async function thumbnail(folder: string, image: string): Promise<string | undefined> {
  for (const { kind, channel } of SHOWN) {
    const path = join(folder, kind, `${image}.png`);
    if (existsSync(path)) return dataUri(sharp(path).extractChannel(channel));
  }
  return undefined;
}

/** The three windows as colours, whole and cropped to the head as the png task does; undefined where the file is unreadable. */
async function beforeAndAfterCrop(
  folder: string,
  image: string,
): Promise<{ whole: string; cropped: string } | undefined> {
  const found = await readImage(dicomPath(folder, image));
  if ('reason' in found) return undefined;
  const { planes, rows, columns } = toPlanes(found, [WINDOWS.brain, WINDOWS.subdural, WINDOWS.bone].map(windowTable));
  const data = new Uint8Array(3 * rows * columns);
  for (const [k, plane] of planes.entries()) for (let i = 0; i < plane.length; i++) data[3 * i + k] = plane[i]!;
  return { whole: await ofPixels({ data, rows, columns }), cropped: await ofPixels(cropHead(planes, rows, columns)) };
}

function ofPixels({ data, rows, columns }: RgbImage): Promise<string> {
  return dataUri(sharp(data, { raw: { width: columns, height: rows, channels: 3 } }));
}

async function dataUri(image: Sharp): Promise<string> {
  const small = image.resize(SIDE, SIDE, { fit: 'inside', kernel: 'lanczos3' });
  const png = await small.png({ compressionLevel: 9, palette: false }).toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}
