// The text of the live region: a row a running node and a line for the whole run, each cut to the terminal's width.
import type { Allotment } from '../event.ts';
import { duration } from './time.ts';

export interface RunningRow {
  readonly node: string;
  readonly startedMs: number;
  readonly usualSeconds: number | null;
  readonly allotment: Allotment;
  progress: string;
  metric: string;
}

export interface Tally {
  readonly total: number;
  readonly settled: number;
  readonly running: number;
  readonly failed: number;
  readonly startedMs: number;
  readonly leftSeconds: number | null;
}

/** `▶ train[fold=0]  1 min 05 s of about 3 min 10 s  4 cores, GPU 1  3/10 epochs  loss 0.21`; widths as in `columns`. */
export function rowText(row: RunningRow, nowMs: number, columns: number): string {
  const elapsed = duration((nowMs - row.startedMs) / 1000);
  const time = row.usualSeconds === null ? elapsed : `${elapsed} of ~${duration(row.usualSeconds)}`;
  const details = [time, slotText(row.allotment), row.progress, row.metric].filter((part) => part !== '').join('  ');
  // The end of a row changes and is worth reading: a long name gives way first.
  const room = Math.max(12, columns - 3 - width(details) - 2);
  return clip(`▶ ${clip(row.node, room)}  ${details}`, columns - 1);
}

export function slotText({ cores, gpus }: Allotment): string {
  const count = `${Number(cores.toPrecision(3))} ${cores === 1 ? 'core' : 'cores'}`;
  return gpus.length === 0 ? count : `${count}, GPU ${gpus.join('+')}`;
}

/** `12 of 40 done, 3 running, 1 failed; 2 min 10 s so far, about 6 min 00 s left`. */
export function tallyText(tally: Tally, nowMs: number): string {
  const parts = [`${tally.settled} of ${tally.total} done`, `${tally.running} running`];
  if (tally.failed > 0) parts.push(`${tally.failed} failed`);
  const left = tally.leftSeconds === null ? '' : `, about ${duration(tally.leftSeconds)} left`;
  return `${parts.join(', ')}; ${duration((nowMs - tally.startedMs) / 1000)} so far${left}`;
}

/** Columns that a terminal gives to a text: East Asian wide letters and emoji take two. */
export function width(text: string): number {
  let columns = 0;
  for (const letter of text) {
    const code = letter.codePointAt(0)!;
    if (/\p{Mark}/u.test(letter)) continue;
    columns += (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xffdc) || code >= 0x1f300 ? 2 : 1;
  }
  return columns;
}

/** Cut to so many columns, with an ellipsis where something is missing. */
export function clip(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let [kept, used] = ['', 0];
  for (const letter of text) {
    used += width(letter);
    if (used > columns - 1) break;
    kept += letter;
  }
  return `${kept}…`;
}
