// A worker's share of the metadata task: the headers of some files of a folder.
import type { MetadataRow } from '../tables/metadata.ts';
import { dicomPath } from './folder.ts';
import { readHeader } from './header.ts';
import { describeImage, type Problem } from './image.ts';

export interface HeaderBatch {
  readonly folder: string;
  readonly images: readonly string[];
}

/** An entry of the quarantine list. */
export interface QuarantinedFile extends Problem {
  readonly file: string;
}

export interface HeaderResult {
  readonly rows: MetadataRow[];
  readonly quarantine: QuarantinedFile[];
}

export function scanHeaders({ folder, images }: HeaderBatch): HeaderResult {
  const result: HeaderResult = { rows: [], quarantine: [] };
  for (const image of images) {
    const { row, problem } = scanFile(folder, image);
    if (row) result.rows.push(row);
    if (problem) result.quarantine.push({ file: `${image}.dcm`, ...problem });
  }
  return result;
}

function scanFile(folder: string, image: string): { row: MetadataRow | null; problem: Problem | null } {
  try {
    const header = readHeader(dicomPath(folder, image));
    if ('reason' in header) return { row: null, problem: { status: 'left-out', reason: header.reason } };
    return describeImage(image, header);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { row: null, problem: { status: 'left-out', reason: `it cannot be read (${code ?? message})` } };
  }
}
