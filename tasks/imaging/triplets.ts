// Neighbouring slices by pipeline.md: studies in ascending order of their UID, slices from the top of the head downwards.
import type { MetadataRow } from '../tables/metadata.ts';

export type Slice = Pick<MetadataRow, 'Image' | 'StudyInstanceUID' | 'ImagePositionPatient_2'>;

/** (previous, itself, next). */
export type Triplet = readonly [red: string, green: string, blue: string];

/** One triplet a slice; at a study's edge the edge slice repeats. Equal positions are ordered by Image. */
export function* triplets(slices: readonly Slice[]): Generator<Triplet> {
  const sorted = [...slices].sort(compareSlices);
  for (const [i, { Image, StudyInstanceUID }] of sorted.entries()) {
    const [before, after] = [sorted[i - 1], sorted[i + 1]];
    yield [
      before?.StudyInstanceUID === StudyInstanceUID ? before.Image : Image,
      Image,
      after?.StudyInstanceUID === StudyInstanceUID ? after.Image : Image,
    ];
  }
}

function compareSlices(a: Slice, b: Slice): number {
  if (a.StudyInstanceUID !== b.StudyInstanceUID) return a.StudyInstanceUID < b.StudyInstanceUID ? -1 : 1;
  const down = b.ImagePositionPatient_2 - a.ImagePositionPatient_2;
  if (down !== 0) return down;
  return a.Image < b.Image ? -1 : a.Image > b.Image ? 1 : 0;
}
