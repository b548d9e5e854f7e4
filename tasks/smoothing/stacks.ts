// The slices of each study in the order of their position, as index arrays: what smoothing along the axis walks over.

export interface Stacks {
  /** Row numbers of the predictions, study after study, ascending by position within one. */
  readonly rows: Uint32Array;
  /** Position along the axis in mm, parallel to `rows`. */
  readonly positionMm: Float64Array;
  /** Where each study begins in `rows`; one more than there are studies. */
  readonly starts: Uint32Array;
}

export interface Slice {
  readonly Image: string;
  readonly StudyInstanceUID: string | null;
  readonly ImagePositionPatient_2: number | null;
}

/** Images without a study or position are in no stack: they have no neighbours, and stay as they are. */
export function stacksOf(images: readonly string[], table: readonly Slice[]): Stacks {
  const rowOf = new Map(images.map((image, i) => [image, i]));
  const placed: { row: number; study: string; position: number }[] = [];
  for (const { Image, StudyInstanceUID: study, ImagePositionPatient_2: position } of table) {
    const row = rowOf.get(Image);
    if (row === undefined || !study || position === null || !Number.isFinite(position)) continue;
    placed.push({ row, study, position });
  }
  placed.sort((a, b) => compare(a.study, b.study) || a.position - b.position || a.row - b.row);
  const starts = placed.flatMap(({ study }, i) => (i === 0 || placed[i - 1]!.study !== study ? [i] : []));
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
