// What is in each fold, as tables beside its files: balance.csv (counts by side) and, for V2, overlap.csv (what was taken away).
import { join } from 'node:path';
import { CLASSES } from '../classes.ts';
import { writeCsv } from '../tables/csv.ts';
import type { FoldRow } from './rows.ts';
import type { Fold } from './schemes.ts';

type Row = (string | number)[];

/** One row a fold and side: patients, studies, images, and images with each label. */
export function writeBalance(folder: string, folds: readonly Fold[]): void {
  const rows = folds.flatMap(({ train, valid }, fold): Row[] => [
    [fold, 'train', ...counts(train)],
    [fold, 'valid', ...counts(valid)],
  ]);
  writeCsv(join(folder, 'balance.csv'), ['Fold', 'Set', 'Patients', 'Studies', 'Images', ...CLASSES], rows);
}

/** One row a fold: what V1 has for training, and how much of it V2 takes away. */
export function writeOverlap(folder: string, before: readonly Fold[], after: readonly Fold[]): Row[] {
  const rows = before.map(({ train }, fold): Row => {
    const kept = new Set(after[fold]!.train);
    const removed = train.filter((row) => !kept.has(row));
    return [fold, distinct(train, 'patient'), distinct(removed, 'patient'), train.length, removed.length];
  });
  const header = ['Fold', 'TrainPatients', 'RemovedPatients', 'TrainImages', 'RemovedImages'];
  writeCsv(join(folder, 'overlap.csv'), header, rows);
  return rows;
}

/** How frequent each label is, e.g. `any 14.0 %, …`. */
export function shares(rows: readonly FoldRow[]): string {
  return CLASSES.map((name, c) => `${name} ${((100 * positives(rows, c)) / rows.length).toFixed(1)} %`).join(', ');
}

function counts(rows: readonly FoldRow[]): number[] {
  const labels = CLASSES.map((_, c) => positives(rows, c));
  return [distinct(rows, 'patient'), distinct(rows, 'study'), rows.length, ...labels];
}

function positives(rows: readonly FoldRow[], c: number): number {
  let count = 0;
  for (const { labels } of rows) count += labels[c]!;
  return count;
}

export function distinct(rows: readonly FoldRow[], key: 'patient' | 'study'): number {
  return new Set(rows.map((row) => row[key])).size;
}
