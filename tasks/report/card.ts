// The data card: what is in the images of each split, counted from the metadata tables and the lists of files left out.
import * as z from 'zod';
import { InputError } from '../../engine/task.ts';
import { shownPath } from '../tables/csv.ts';
import { readMetadataColumns } from '../tables/metadata.ts';
import { readJson } from './history.ts';

export interface DataCard {
  readonly split: string;
  readonly images: number;
  readonly patients: number;
  readonly studies: number;
  /** Slices a study: least, median, most. */
  readonly slices: readonly [number, number, number];
  /** `512 × 512`, most frequent first. */
  readonly sizes: readonly Counted[];
  /** How stored values are to be read, most frequent first. */
  readonly pixels: readonly Counted[];
  /** Files left out or zeroed, by reason. */
  readonly quarantine: readonly Counted[];
}

export interface Counted {
  readonly what: string;
  readonly count: number;
}

const COLUMNS = [
  'PatientID',
  'StudyInstanceUID',
  'Rows',
  'Columns',
  'BitsStored',
  'PixelRepresentation',
  'RescaleIntercept',
] as const;
type Row = Awaited<ReturnType<typeof readMetadataColumns<(typeof COLUMNS)[number]>>>[number];

const QUARANTINE = z.array(z.object({ reason: z.string() }));

/** InputError where the quarantine file is none. */
export async function readCard(split: string, table: string, quarantine: string): Promise<DataCard> {
  const rows = await readMetadataColumns(table, COLUMNS);
  const studies = new Map<string, number>();
  for (const row of rows) studies.set(row.StudyInstanceUID, (studies.get(row.StudyInstanceUID) ?? 0) + 1);
  const sizes = [...studies.values()].sort((a, b) => a - b);
  const left = QUARANTINE.safeParse(readJson(quarantine));
  if (!left.success) throw new InputError(`${shownPath(quarantine)}: is no list of files with reasons`);
  return {
    split,
    images: rows.length,
    patients: new Set(rows.map((row) => row.PatientID)).size,
    studies: studies.size,
    slices: [sizes[0] ?? 0, sizes[sizes.length >> 1] ?? 0, sizes.at(-1) ?? 0],
    sizes: counted(rows, (row) => `${row.Rows} × ${row.Columns}`),
    pixels: counted(rows, convention),
    quarantine: counted(left.data, ({ reason }) => reason.replace(/\d+/g, '…')),
  };
}

/** As pipeline.md tells them apart: the wrapped ones are those whose values pass 4095 and begin again at 0. */
function convention({ BitsStored, PixelRepresentation, RescaleIntercept: intercept }: Row): string {
  if (BitsStored === 12 && PixelRepresentation === 0 && (intercept ?? 0) > -100)
    return '12 bits, unsigned, wrapped (put right)';
  return `${BitsStored} bits, ${PixelRepresentation === 1 ? 'signed' : 'unsigned'}, intercept ${intercept ?? 'missing'}`;
}

function counted<T>(items: readonly T[], what: (item: T) => string): Counted[] {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(what(item), (counts.get(what(item)) ?? 0) + 1);
  return [...counts]
    .map(([name, count]) => ({ what: name, count }))
    .sort((a, b) => b.count - a.count || (a.what < b.what ? -1 : 1));
}
