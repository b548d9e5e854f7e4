// The data card of a split, as the metadata task writes it: what its files hold, in numbers.
import * as z from 'zod';
import { InputError } from '../../engine/task.ts';
import { shownPath } from '../tables/csv.ts';
import { readJson } from '../tables/json.ts';

const counts = z.record(z.string(), z.number());

const CARD = z.object({
  files: z.number(),
  images: z.number(),
  patients: z.number(),
  studies: z.number(),
  series: z.number(),
  slicesPerStudy: z.object({ least: z.number(), median: z.number(), most: z.number() }),
  sizes: counts,
  planes: counts,
  transferSyntaxes: counts,
  pixels: counts,
  /** What had to be put right to read the pixels. */
  fixed: counts,
  duplicates: z.number(),
  quarantine: z.object({ leftOut: z.number(), zeroed: z.number(), reasons: counts }),
  /** Elements that say who somebody is, by how many images have a value in them. */
  identity: counts,
});

export interface DataCard extends z.infer<typeof CARD> {
  readonly split: string;
}

/** InputError where the file is no data card. */
export function readCard(split: string, path: string): DataCard {
  const parsed = CARD.safeParse(readJson(path));
  if (!parsed.success) throw new InputError(`${shownPath(path)}: is no data card: ${z.prettifyError(parsed.error)}`);
  return { split, ...parsed.data };
}
