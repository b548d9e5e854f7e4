// The run as lines on stderr: one for each node that ended, warnings and errors as they come. On a terminal a live region
// below them shows what is running; elsewhere (CI, pipes) starts are lines too, and every half minute one says what
// runs. Finished lines scroll away above the region; nothing uses the alternate screen. The same reader shows a run of
// this process and, from its journal, one of another.
import type { EventSink, Failure, RunEvent, RunSummary } from '../model/event.ts';
import { describeReasons } from '../model/reason.ts';
import type { Capacity } from '../model/resources.ts';
import { clip, width } from '../text/columns.ts';
import { duration } from '../text/duration.ts';
import { bold, cyan, dim, green, red, yellow } from '../text/style.ts';
import type { Estimator } from './eta.ts';
import { nameWidth, type RunningRow, rowText, tallyText } from './rows.ts';

export interface TerminalOptions {
  readonly stream: NodeJS.WriteStream;
  /** The last lines of a log. */
  tail(log: string, lines: number): string[];
  /** Durations and the time left, asked for once, when something has to run. */
  estimate?(nodes: readonly string[], capacity: Capacity): Estimator;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface TerminalReport extends EventSink {
  /** `atMs`: now where nothing is said. */
  on(event: RunEvent, atMs?: number): void;
}

const REDRAW_MS = 200;
const FLUSH_MS = 50;
const ESTIMATE_MS = 1000;
const HEARTBEAT_MS = 30_000;
const REASONS_SHOWN = 2;
const LOG_LINES = 12;
const ROWS_KEPT_FREE = 4;
const HEARTBEAT_NODES = 6;

export function terminalReport(options: TerminalOptions): TerminalReport {
  const { stream, now = Date.now } = options;
  const live = stream.isTTY === true && process.env.TERM !== 'dumb' && !process.env.CI;
  const region = createRegion(stream);
  const rows = new Map<string, RunningRow>();
  const count = { total: 0, settled: 0, failed: 0, stopped: 0, blocked: 0 };
  const notDone = new Map<string, 'failed' | 'stopped' | 'blocked'>();
  let startedMs = now();
  let estimator: Estimator | null = null;
  let timer: NodeJS.Timeout | null = null;
  let left = { atMs: Number.NEGATIVE_INFINITY, seconds: null as number | null };

  const tally = () => {
    if (now() - left.atMs > ESTIMATE_MS) left = { atMs: now(), seconds: estimator?.left(now()) ?? null };
    const done = count.settled - count.failed - count.stopped - count.blocked;
    return tallyText({ ...count, done, running: rows.size, startedMs, leftSeconds: left.seconds }, now());
  };
  const picture = (): string[] => {
    if (!live || rows.size === 0) return [];
    const columns = stream.columns || 80;
    const room = Math.max(1, (stream.rows || 24) - ROWS_KEPT_FREE);
    const shown = [...rows.values()].slice(0, room);
    const names = nameWidth(shown, columns);
    const lines = shown.map((row) => `${cyan('▶')} ${rowText(row, now(), columns - 3, names)}`);
    if (rows.size > room) lines.push(dim(`  and ${rows.size - room} more`));
    return [...lines, dim(clip(`  ${tally()}`, columns - 1))];
  };
  const beat = () => {
    if (live) return flush();
    if (rows.size === 0) return;
    const named = [...rows.values()].slice(0, HEARTBEAT_NODES).map((row) => rowText(row, now(), 1000, 0));
    const rest = rows.size > HEARTBEAT_NODES ? [`and ${rows.size - HEARTBEAT_NODES} more`] : [];
    region.draw([dim(`· ${[tally(), ...named, ...rest].join('\n    ')}`)], []);
  };
  // A thousand restored nodes a second are a few writes to a terminal, not a thousand.
  let waiting: string[] = [];
  let due: NodeJS.Timeout | null = null;
  const flush = () => {
    if (due) clearTimeout(due);
    due = null;
    region.draw(waiting, picture());
    waiting = [];
  };
  const print = (...lines: string[]) => {
    if (!live) return region.draw(lines, []);
    waiting.push(...lines);
    due ??= setTimeout(flush, FLUSH_MS);
  };
  const settle = (node: string, seconds: number | null) => {
    rows.delete(node);
    count.settled++;
    estimator?.settled(node, seconds);
  };
  const fall = (node: string, how: 'failed' | 'stopped' | 'blocked') => {
    notDone.set(node, how);
    count[how]++;
  };

  const on = (event: RunEvent, atMs = now()) => {
    switch (event.type) {
      case 'run-started':
        count.total = event.nodes;
        startedMs = atMs;
        return;
      case 'run-planned':
        estimator = options.estimate?.(event.nodes, event.capacity) ?? null;
        return;
      case 'node-fresh':
        return settle(event.node, null);
      case 'node-started': {
        const { node, allotment, ranSeconds = 0 } = event;
        const usualSeconds = estimator?.usual(node) ?? null;
        const begunMs = atMs - ranSeconds * 1000;
        rows.set(node, { node, startedMs: begunMs, usualSeconds, allotment, progress: '', metric: '' });
        estimator?.started(node, atMs, ranSeconds);
        timer ??= setInterval(beat, live ? REDRAW_MS : HEARTBEAT_MS).unref();
        if (live) due ??= setTimeout(flush, FLUSH_MS);
        else print(`${cyan('▶')} ${node} ${dim(describeReasons(event.reasons, REASONS_SHOWN))}`);
        return;
      }
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
      case 'node-retried':
        return print(
          `${yellow('↻')} ${event.node}: ${event.failure.message}; try ${event.attempt + 1} in ${duration(event.waitSeconds)}`,
        );
      case 'node-yielded':
        rows.delete(event.node);
        estimator?.yielded(event.node, event.seconds);
        return print(`${cyan('⇄')} ${event.node} ${dim(`${duration(event.seconds)}; ${whatNext(event.to)}`)}`);
      case 'nodes-reopened':
        count.settled -= event.settled;
        for (const node of event.nodes) {
          const ill = notDone.get(node);
          notDone.delete(node);
          if (ill) count[ill]--;
          if (ill === 'blocked') count.settled--;
          rows.delete(node);
          estimator?.reopened(node);
        }
        return;
      case 'note':
        return print(dim(event.message));
      case 'node-done': {
        const metric = rows.get(event.node)?.metric ?? '';
        settle(event.node, event.seconds);
        return print(
          `${green('✔')} ${event.node} ${dim([duration(event.seconds), metric].filter(Boolean).join('  '))}`,
        );
      }
      case 'node-restored':
        settle(event.node, null);
        return print(
          `${green('↺')} ${event.node} ${dim(`restored · ${describeReasons(event.reasons, REASONS_SHOWN)}`)}`,
        );
      case 'node-failed':
        settle(event.node, null);
        fall(event.node, event.failure.kind === 'interrupted' ? 'stopped' : 'failed');
        return print(...failureLines(event.node, event.failure, options.tail));
      case 'node-blocked':
        settle(event.node, null);
        fall(event.node, 'blocked');
        return;
      case 'run-finished':
        if (timer) clearInterval(timer);
        rows.clear();
        print(summaryLine(event.summary, count));
        return live ? flush() : undefined;
      default:
        return;
    }
  };
  const close = async () => {
    if (timer) clearInterval(timer);
    if (due) flush();
  };
  return { on, close };
}

/** Lines that stay, and below them a picture that the next one replaces: one write each, so that nothing flickers. */
function createRegion(stream: NodeJS.WriteStream) {
  let drawn: number[] = [];
  return {
    draw(lines: readonly string[], picture: readonly string[]) {
      // Lines may wrap when the terminal was made narrower since.
      const columns = stream.columns || 80;
      const height = drawn.reduce((sum, wide) => sum + Math.max(1, Math.ceil(wide / columns)), 0);
      const up = height > 0 ? `\r\x1b[${height}A\x1b[0J` : '';
      drawn = picture.map((line) => width(plain(line)));
      const text = up + [...lines, ...picture].map((line) => `${line}\n`).join('');
      if (text !== '') stream.write(text);
    },
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters.
const plain = (text: string) => text.replace(/\x1b\[[0-9;]*m/g, '');

/** Of a node that gave its slots up. */
function whatNext(to: string | null): string {
  return to === null ? 'begins again with its new code' : `gives way to ${to} and goes on later`;
}

function failureLines(node: string, failure: Failure, tail: TerminalOptions['tail']): string[] {
  if (failure.kind === 'interrupted') return [`${yellow('■')} ${node} stopped`];
  const head = `${red('✖')} ${bold(node)}: ${failure.message.split('\n').join('\n    ')}`;
  const lines =
    failure.kind === 'task' && failure.log ? tail(failure.log, LOG_LINES).map((line) => dim(`    │ ${line}`)) : [];
  const hint = failure.hint ? [`    ${failure.hint}`] : [];
  const log = failure.kind === 'task' && failure.log ? [dim(`    whole log: dag log '${node}'`)] : [];
  return [head, ...hint, ...lines, ...log];
}

function summaryLine(summary: RunSummary, { stopped, blocked }: { stopped: number; blocked: number }): string {
  const failed = summary.failed.length - stopped;
  const parts = [
    `${summary.ran.length} ran`,
    summary.restored.length > 0 ? `${summary.restored.length} restored` : '',
    `${summary.fresh.length} fresh`,
    failed > 0 ? red(`${failed} failed`) : '',
    stopped > 0 ? yellow(`${stopped} stopped`) : '',
    blocked > 0 ? `${blocked} not run because of it` : '',
  ].filter((part) => part !== '');
  return `${bold(parts.join(', '))} ${dim(`in ${duration(summary.seconds)}`)}`;
}
