// Neighbouring slices: studies in ascending order of their UID, slices from the top of the head downwards. A study may hold
// several series (another kernel, another thickness, with and without contrast), which lie in the same place: an image's
// neighbours are of its own series. Every image gets a triplet, of whichever series, for a prediction is asked for each.
import type { MetadataRow } from '../tables/metadata.ts';

export type Slice = Pick<MetadataRow, 'Image' | 'StudyInstanceUID' | 'SeriesInstanceUID' | 'ImagePositionPatient_2'>;

/** (previous, itself, next). */
export type Triplet = readonly [red: string, green: string, blue: string];

/** One triplet a slice; at the edge of a series the edge slice repeats. Equal positions are ordered by Image. */
export function* triplets(slices: readonly Slice[]): Generator<Triplet> {
  const sorted = [...slices].sort(compareSlices);
  for (const [i, slice] of sorted.entries()) {
    const nameOf = (other: Slice | undefined) => (other && isSameSeries(other, slice) ? other.Image : slice.Image);
    yield [nameOf(sorted[i - 1]), slice.Image, nameOf(sorted[i + 1])];
  }
}

function isSameSeries(a: Slice, b: Slice): boolean {
  return a.StudyInstanceUID === b.StudyInstanceUID && (a.SeriesInstanceUID ?? '') === (b.SeriesInstanceUID ?? '');
}

function compareSlices(a: Slice, b: Slice): number {
  return (
    compareText(a.StudyInstanceUID, b.StudyInstanceUID) ||
    compareText(a.SeriesInstanceUID ?? '', b.SeriesInstanceUID ?? '') ||
    b.ImagePositionPatient_2 - a.ImagePositionPatient_2 ||
    compareText(a.Image, b.Image)
  );
}

/** By code units, as the reference and every machine do. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
