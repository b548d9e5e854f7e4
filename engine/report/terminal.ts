// The run as lines on stderr: one for each node that ended, warnings and errors as they come, and on a terminal a live
// region below with what is running. Finished lines scroll away above it; nothing uses the alternate screen.
import { bold, cyan, dim, green, red, yellow } from '../cli/style.ts';
import type { Failure, Listener, RunEvent, RunSummary } from '../event.ts';
import { describeReasons } from '../plan/reason.ts';
import { duration } from './time.ts';

export interface TerminalOptions {
  readonly stream: NodeJS.WriteStream;
  readonly verbose?: boolean;
}

interface Row {
  readonly startedMs: number;
  progress: string;
  metric: string;
}

const REDRAW_MS = 120;
const REASONS_SHOWN = 2;
const LOG_LINES = 12;

export function terminalReport({ stream }: TerminalOptions, tail: (log: string, lines: number) => string[]): Listener {
  const rows = new Map<string, Row>();
  const live = stream.isTTY === true && process.env.TERM !== 'dumb';
  let drawn = 0;
  let timer: NodeJS.Timeout | null = null;
  let blocked = 0;

  const erase = () => {
    if (drawn > 0) stream.write(`\x1b[${drawn}A\x1b[0J`);
    drawn = 0;
  };
  const draw = () => {
    if (!live) return;
    erase();
    const lines = [...rows].map(([node, row]) => rowText(node, row, stream.columns || 80));
    if (lines.length > 0) stream.write(`${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  const print = (...lines: string[]) => {
    erase();
    stream.write(`${lines.join('\n')}\n`);
    draw();
  };

  return (event: RunEvent) => {
    switch (event.type) {
      case 'node-started':
        rows.set(event.node, { startedMs: performance.now(), progress: '', metric: '' });
        if (live) {
          timer ??= setInterval(draw, REDRAW_MS);
          draw();
        } else print(`${cyan('▶')} ${event.node} ${dim(describeReasons(event.reasons, REASONS_SHOWN))}`);
        return;
      case 'node-progress': {
        const row = rows.get(event.node);
        if (row) row.progress = `${event.done}/${event.total} ${event.unit}`.trim();
        return;
      }
      case 'node-metric': {
        const row = rows.get(event.node);
        if (row) row.metric = `${event.name} ${Number(event.value.toPrecision(4))}`;
        return;
      }
      case 'node-warned':
        return print(`${yellow('!')} ${event.node}: ${event.message}`);
      case 'note':
        return print(dim(event.message));
      case 'node-done':
        rows.delete(event.node);
        return print(`${green('✔')} ${event.node} ${dim(duration(event.seconds))}`);
      case 'node-restored':
        return print(
          `${green('↺')} ${event.node} ${dim(`restored · ${describeReasons(event.reasons, REASONS_SHOWN)}`)}`,
        );
      case 'node-failed':
        rows.delete(event.node);
        return print(...failureLines(event.node, event.failure, tail));
      case 'node-blocked':
        blocked++;
        return;
      case 'run-finished':
        if (timer) clearInterval(timer);
        rows.clear();
        return print(summaryLine(event.summary, blocked));
      default:
        return;
    }
  };
}

function rowText(node: string, { startedMs, progress, metric }: Row, columns: number): string {
  const plain = ['▶', node, duration((performance.now() - startedMs) / 1000), progress, metric]
    .filter((part) => part !== '')
    .join('  ');
  return cyan(plain.length >= columns ? `${plain.slice(0, columns - 2)}…` : plain);
}

function failureLines(node: string, failure: Failure, tail: (log: string, lines: number) => string[]): string[] {
  if (failure.kind === 'interrupted') return [`${yellow('■')} ${node} stopped`];
  const head = `${red('✖')} ${bold(node)}: ${failure.message.split('\n').join('\n    ')}`;
  const lines =
    failure.kind === 'task' && failure.log ? tail(failure.log, LOG_LINES).map((line) => dim(`    │ ${line}`)) : [];
  const hint = failure.hint ? [`    ${failure.hint}`] : [];
  const log = failure.kind === 'task' && failure.log ? [dim(`    whole log: dag log '${node}'`)] : [];
  return [head, ...hint, ...lines, ...log];
}

function summaryLine(summary: RunSummary, blocked: number): string {
  const parts = [
    `${summary.ran.length} ran`,
    summary.restored.length > 0 ? `${summary.restored.length} restored` : '',
    `${summary.fresh.length} fresh`,
    summary.failed.length > 0 ? red(`${summary.failed.length} failed`) : '',
    blocked > 0 ? `${blocked} not run because of it` : '',
  ].filter((part) => part !== '');
  return `${bold(parts.join(', '))} ${dim(`in ${duration(summary.seconds)}`)}`;
}
