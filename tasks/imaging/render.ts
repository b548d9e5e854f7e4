// A worker's share of the png task: the pictures of some studies. Slices of a study are walked in order, and the three
// that a picture may need are kept, so that every DICOM file is read and decoded once.
import { join } from 'node:path';
import { dicomPath } from '../dicom/folder.ts';
import { readImage } from '../dicom/pixels.ts';
import { cropHead, emptyImage, type RgbImage } from './crop.ts';
import { writePng } from './encode.ts';
import { type Planes, toPlanes } from './hounsfield.ts';
import type { Triplet } from './triplets.ts';
import { type ByteTable, clipTable, WINDOWS, windowTable } from './windows.ts';

/** `adjacent_hu`: three slices, HU clipped to 0..255. `brain_subdural_bone`: three windows of one slice. */
export const PNG_KINDS = ['adjacent_hu', 'brain_subdural_bone'] as const;
export type PngKind = (typeof PNG_KINDS)[number];

export interface RenderBatch {
  readonly folder: string;
  readonly output: string;
  readonly kind: PngKind;
  /** Whole studies, slices in order. */
  readonly triplets: readonly Triplet[];
}

export interface RenderResult {
  /** Images whose pixels could not be had, and neighbours that did not fit. */
  readonly problems: { readonly image: string; readonly reason: string }[];
}

/** A decoded slice: one plane (clipped HU) or three (windows). Null stands for a broken file. */
type Slice = Planes;

export async function renderStudies({ folder, output, kind, triplets }: RenderBatch): Promise<RenderResult> {
  const result: RenderResult = { problems: [] };
  const kept = new Map<string, Slice | null>();
  const sliceOf = (image: string): Slice | null => {
    const known = kept.get(image);
    if (known !== undefined) return known;
    const slice = readSlice(folder, image, kind, result);
    kept.set(image, slice);
    return slice;
  };
  for (const triplet of triplets) {
    for (const image of kept.keys()) if (!triplet.includes(image)) kept.delete(image);
    const picture = kind === 'adjacent_hu' ? threeSlices(triplet, sliceOf, result) : threeWindows(sliceOf(triplet[1]));
    await writePng(join(output, `${triplet[1]}.png`), picture);
  }
  return result;
}

function readSlice(folder: string, image: string, kind: PngKind, result: RenderResult): Slice | null {
  const found = readImage(dicomPath(folder, image));
  if ('reason' in found) {
    result.problems.push({ image, reason: found.reason });
    return null;
  }
  return toPlanes(found, tablesOf(kind));
}

/**
 * Red, green, blue are the slice above, the slice, the slice below. A broken neighbour is a channel of zeros, as in the
 * reference. A neighbour of another size (the reference fails on it) counts as none: the slice itself stands in for it,
 * as at the edge of a study.
 */
function threeSlices(triplet: Triplet, sliceOf: (image: string) => Slice | null, result: RenderResult): RgbImage {
  const [above, slice, below] = triplet.map(sliceOf) as [Slice | null, Slice | null, Slice | null];
  if (!slice) return emptyImage();
  const plane = slice.planes[0]!;
  const channel = (neighbour: Slice | null, name: string): Uint8Array => {
    if (!neighbour) return new Uint8Array(plane.length);
    if (neighbour.rows === slice.rows && neighbour.columns === slice.columns) return neighbour.planes[0]!;
    result.problems.push({
      image: triplet[1],
      reason: `its neighbour ${name} has another size; the slice repeats instead`,
    });
    return plane;
  };
  return cropHead([channel(above, triplet[0]), plane, channel(below, triplet[2])], slice.rows, slice.columns);
}

function threeWindows(slice: Slice | null): RgbImage {
  return slice ? cropHead(slice.planes, slice.rows, slice.columns) : emptyImage();
}

const tables = new Map<PngKind, readonly ByteTable[]>();

function tablesOf(kind: PngKind): readonly ByteTable[] {
  let made = tables.get(kind);
  if (!made) {
    const { brain, subdural, bone } = WINDOWS;
    made = kind === 'adjacent_hu' ? [clipTable()] : [brain, subdural, bone].map(windowTable);
    tables.set(kind, made);
  }
  return made;
}
