// The slices of each series in the order of their position, as index arrays: what smoothing along the axis walks over. As in the
// triplets, series of one study are stacks of their own, for they lie in the same place.
import type { MetadataRow } from '../tables/metadata.ts';

export interface Stacks {
  /** Row numbers of the predictions, series after series, ascending by position within one. */
  readonly rows: Uint32Array;
  /** Position along the axis in mm, parallel to `rows`. */
  readonly positionMm: Float64Array;
  /** Where each series begins in `rows`; one more than there are series. */
  readonly starts: Uint32Array;
}

/** What of the metadata table it takes to stack its images. */
export const STACK_COLUMNS = ['Image', 'StudyInstanceUID', 'SeriesInstanceUID', 'ImagePositionPatient_2'] as const;
export type Slice = Pick<MetadataRow, (typeof STACK_COLUMNS)[number]>;

/** Images that are not in the table are in no stack: they have no neighbours, and stay as they are. */
export function stacksOf(images: readonly string[], table: readonly Slice[]): Stacks {
  const rowOf = new Map(images.map((image, i) => [image, i]));
  const placed: { row: number; series: string; position: number }[] = [];
  for (const { Image, StudyInstanceUID, SeriesInstanceUID, ImagePositionPatient_2: position } of table) {
    const row = rowOf.get(Image);
    if (row !== undefined) placed.push({ row, series: `${StudyInstanceUID} ${SeriesInstanceUID ?? ''}`, position });
  }
  placed.sort((a, b) => compare(a.series, b.series) || a.position - b.position || a.row - b.row);
  const starts = placed.flatMap(({ series }, i) => (i === 0 || placed[i - 1]!.series !== series ? [i] : []));
  return {
    rows: Uint32Array.from(placed, ({ row }) => row),
    positionMm: Float64Array.from(placed, ({ position }) => position),
    starts: Uint32Array.from([...starts, placed.length]),
  };
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
