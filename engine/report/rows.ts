// The text of the live region: a row a running node and a line for the whole run, each cut to the terminal's width.
import type { Allotment } from '../model/resources.ts';
import { clip, width } from '../text/columns.ts';
import { duration } from '../text/duration.ts';

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
  /** Fresh, restored or ran. */
  readonly done: number;
  readonly running: number;
  readonly failed: number;
  readonly blocked: number;
  readonly startedMs: number;
  readonly leftSeconds: number | null;
}

/** Names of rows that stand below each other take the same room, up to half of the terminal. */
export function nameWidth(rows: readonly RunningRow[], columns: number): number {
  return Math.min(Math.max(12, columns >> 1), Math.max(...rows.map(({ node }) => width(node))));
}

/** `train[fold=0]  1 min 05 s of ~3 min 10 s  3/10 epochs  loss 0.21  4 cores, GPU 1`; in at most `columns`, the name in `names` (0: as long as it is). */
export function rowText(row: RunningRow, nowMs: number, columns: number, names: number): string {
  const elapsed = duration((nowMs - row.startedMs) / 1000);
  const time = row.usualSeconds === null ? elapsed : `${elapsed} of ~${duration(row.usualSeconds)}`;
  const name = names === 0 ? row.node : clip(row.node, names);
  // What is cut on a narrow terminal is at the end.
  const details = [time, row.progress, row.metric, slotText(row.allotment)].filter((part) => part !== '');
  return clip(`${name}${' '.repeat(Math.max(0, names - width(name)))}  ${details.join('  ')}`, columns);
}

/** `4 cores, GPU 0+1`; a single core goes without saying. */
function slotText({ cores, gpus }: Allotment): string {
  const parts = cores === 1 ? [] : [`${Number(cores.toPrecision(3))} cores`];
  if (gpus.length > 0) parts.push(`GPU ${gpus.join('+')}`);
  return parts.join(', ');
}

/** `12 of 40 done, 3 running, 1 failed, 2 blocked; 2 min 10 s so far, about 6 min 00 s left`. */
export function tallyText(tally: Tally, nowMs: number): string {
  const parts = [`${tally.done} of ${tally.total} done`, `${tally.running} running`];
  if (tally.failed > 0) parts.push(`${tally.failed} failed`);
  if (tally.blocked > 0) parts.push(`${tally.blocked} blocked`);
  return `${parts.join(', ')}; ${duration((nowMs - tally.startedMs) / 1000)} so far${leftText(tally.leftSeconds)}`;
}

function leftText(seconds: number | null): string {
  if (seconds === null) return '';
  return seconds === 0 ? ', done any moment' : `, about ${duration(seconds)} left`;
}
