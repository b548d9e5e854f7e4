// An item of the png task: the pictures of a study, of all kinds at once. Its slices are walked in order, and the three that a picture may need are kept, so that every DICOM file is read and decoded once.
import { join } from 'node:path';
import type { ItemContext } from '../../engine/task.ts';
import { dicomPath } from '../dicom/folder.ts';
import { readImage, type StoredImage } from '../dicom/pixels.ts';
import { cropHead, emptyImage, type RgbImage } from './crop.ts';
import { writePng } from './encode.ts';
import { type Planes, toPlanes } from './hounsfield.ts';
import { type ChannelName, kindOf, type PictureKind } from './kinds.ts';
import type { Triplet } from './triplets.ts';
import { type ByteTable, clipTable, WINDOWS, windowTable } from './windows.ts';

/** The kinds that the published solution uses. */
export const PNG_KINDS = ['adjacent_hu', 'brain_subdural_bone'] as const;

export interface Study {
  /** StudyInstanceUID. */
  readonly uid: string;
  /** Slices in order. */
  readonly triplets: readonly Triplet[];
}

export interface RenderParams {
  readonly kinds: readonly string[];
}

export interface RenderResult {
  /** Images whose pixels could not be had, and neighbours that did not fit. */
  readonly problems: { readonly image: string; readonly reason: string }[];
}

/** A decoded slice: a plane for each channel that some kind needs. Null stands for a broken file. */
type Slice = Planes;
type SliceOf = (image: string) => Promise<Slice | null>;

/** Reads from the input `images`, writes KIND/IMAGE.png in the output `images`; the folders exist. */
export async function renderStudy(
  { triplets }: Study,
  { params: { kinds }, input, output }: ItemContext<RenderParams>,
): Promise<RenderResult> {
  const folder = input('images');
  const result: RenderResult = { problems: [] };
  const pictures = kinds.map((name) => kindOf(name)!);
  const channels = [...new Set(pictures.flatMap((kind) => kind.channels))];
  const kept = new Map<string, Slice | null>();
  const sliceOf: SliceOf = async (image) => {
    const known = kept.get(image);
    if (known !== undefined) return known;
    const slice = await readSlice(folder, image, channels, result);
    kept.set(image, slice);
    return slice;
  };
  for (const triplet of triplets) {
    for (const image of kept.keys()) if (!triplet.includes(image)) kept.delete(image);
    for (const kind of pictures) {
      const picture = await drawPicture(kind, channels, triplet, sliceOf, result);
      await writePng(join(output('images'), kind.name, `${triplet[1]}.png`), picture);
    }
  }
  return result;
}

async function readSlice(
  folder: string,
  image: string,
  channels: readonly ChannelName[],
  result: RenderResult,
): Promise<Slice | null> {
  const found = await readImage(dicomPath(folder, image));
  if (!('reason' in found)) return toPlanes(found, tablesOf(channels, found));
  result.problems.push({ image, reason: found.reason });
  return null;
}

async function drawPicture(
  kind: PictureKind,
  channels: readonly ChannelName[],
  triplet: Triplet,
  sliceOf: SliceOf,
  result: RenderResult,
): Promise<RgbImage> {
  const slice = await sliceOf(triplet[1]);
  if (!slice) return emptyImage();
  const planes = kind.neighbours
    ? await neighbourPlanes(slice, channels.indexOf(kind.channels[0]), triplet, sliceOf, result)
    : kind.channels.map((channel) => slice.planes[channels.indexOf(channel)]!);
  return cropHead(planes, slice.rows, slice.columns);
}

/**
 * Red, green, blue are the slice above, the slice, the slice below. A broken neighbour is a channel of zeros, as in the
 * reference. A neighbour of another size (the reference fails on it) counts as none: the slice itself stands in for it,
 * as at the edge of a study.
 */
async function neighbourPlanes(
  slice: Slice,
  at: number,
  [above, image, below]: Triplet,
  sliceOf: SliceOf,
  result: RenderResult,
): Promise<Uint8Array[]> {
  const plane = slice.planes[at]!;
  const channel = async (name: string): Promise<Uint8Array> => {
    const neighbour = await sliceOf(name);
    if (!neighbour) return new Uint8Array(plane.length);
    if (neighbour.rows === slice.rows && neighbour.columns === slice.columns) return neighbour.planes[at]!;
    result.problems.push({ image, reason: `its neighbour ${name} has another size; the slice repeats instead` });
    return plane;
  };
  return [await channel(above), plane, await channel(below)];
}

/** The last tables: they are the same list for all slices but for those of another window of their own. */
let last: { key: string; tables: readonly ByteTable[] } | undefined;

function tablesOf(channels: readonly ChannelName[], image: StoredImage): readonly ByteTable[] {
  const own = channels.includes('own') ? `${image.windowCenter} ${image.windowWidth}` : '';
  const key = `${channels} ${own}`;
  if (last?.key !== key) last = { key, tables: channels.map((channel) => tableOf(channel, image)) };
  return last.tables;
}

function tableOf(channel: ChannelName, { windowCenter, windowWidth }: StoredImage): ByteTable {
  if (channel === 'clip') return clipTable();
  if (channel !== 'own') return windowTable(WINDOWS[channel]);
  // A file without a window of its own, or with an impossible one, is seen through the brain's.
  if (windowCenter === null || windowWidth === null || windowWidth < 1) return windowTable(WINDOWS.brain);
  return windowTable({ levelHu: windowCenter, widthHu: windowWidth });
}
