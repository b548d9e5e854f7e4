// dag diff RUN RUN: parameters, code, data and metrics of two runs side by side, as text, Markdown or JSON.

import { openCache } from '../../../cache/index.ts';
import { type Change, diffRuns, type MetricLine, type RunDiff } from '../../journal/diff.ts';
import { jsonOfMetrics } from '../../journal/metrics.ts';
import { runIds } from '../../journal/read.ts';
import { type Snapshot, snapshots } from '../../journal/snapshot.ts';
import { shownChange } from '../../model/reason.ts';
import { knownRuns, mustFindRun } from '../../project/runNames.ts';
import { type CommonFlags, projectRoot } from '../../project/session.ts';
import { placesOf } from '../../state/places.ts';
import { bold } from '../../text/style.ts';
import { EXIT } from '../exit.ts';

interface DiffFlags extends CommonFlags {
  readonly md?: boolean;
}

export async function diffCommand(words: readonly string[], flags: DiffFlags): Promise<number> {
  const places = placesOf(projectRoot(flags));
  const ids = runIds(places.journals);
  const runs = knownRuns(places.journals);
  const wanted = [words[0] ?? 'last~1', words[1] ?? 'last'].map((word) => mustFindRun(word, runs));
  const cache = openCache({ dir: places.cache });
  try {
    const [before, after] = snapshots(places.journals, ids, wanted) as [Snapshot, Snapshot];
    const diff = diffRuns(before, after, cache);
    if (flags.json) {
      const heads = [before, after].map(({ id, startedAt, words: asked, profile }) => ({
        id,
        startedAt,
        words: asked,
        profile,
      }));
      process.stdout.write(`${jsonOfMetrics({ schemaVersion: 1, runs: heads, ...diff })}\n`);
    } else process.stdout.write(`${render(before, after, diff, flags.md ? MARKDOWN : TEXT)}\n`);
    return EXIT.done;
  } finally {
    await cache.close();
  }
}

interface Style {
  heading(text: string): string;
  table(head: readonly string[], rows: readonly (readonly string[])[]): string;
}

const TEXT: Style = {
  heading: (text) => bold(text),
  table(head, rows) {
    const widths = head.map((title, at) =>
      rows.reduce((widest, row) => Math.max(widest, row[at]!.length), title.length),
    );
    const line = (cells: readonly string[]) =>
      `  ${cells.map((cell, at) => cell.padEnd(widths[at]!)).join('  ')}`.trimEnd();
    return [line(head), ...rows.map(line)].join('\n');
  },
};

const MARKDOWN: Style = {
  heading: (text) => `### ${text}`,
  table(head, rows) {
    const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
    return `\n${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
  },
};

function render(before: Snapshot, after: Snapshot, diff: RunDiff, style: Style): string {
  const parts = [
    style.table(
      ['', 'before', 'after'],
      [
        ['run', before.id, after.id],
        ['started', before.startedAt, after.startedAt],
        ['command', `dag ${before.words.join(' ')}`, `dag ${after.words.join(' ')}`],
        ['profile', before.profile ?? '-', after.profile ?? '-'],
      ],
    ),
  ];
  const section = (title: string, list: readonly Change[]) => {
    if (list.length > 0)
      parts.push(
        style.heading(title),
        style.table([title.toLowerCase(), 'before', 'after', 'nodes'], list.map(changeRow)),
      );
  };
  section('Parameters', diff.params);
  section('Code', diff.code);
  section('Data', diff.data);
  section('Environment', diff.environment);
  if (diff.metrics.length > 0)
    parts.push(
      style.heading('Metrics'),
      style.table(['metric', 'before', 'after', 'change', 'node'], diff.metrics.map(metricRow)),
    );
  if (diff.added.length > 0) parts.push(`only in the second: ${nodesText(diff.added)}`);
  if (diff.removed.length > 0) parts.push(`only in the first: ${nodesText(diff.removed)}`);
  if (diff.unknown.length > 0)
    parts.push(`made outside of this project's history, so that what changed is not known: ${nodesText(diff.unknown)}`);
  parts.push(`${diff.same} nodes are the same in both`);
  return parts.join('\n');
}

function changeRow(change: Change): string[] {
  const [old, now] = shownChange(change);
  return [change.name, old ?? '-', now ?? '-', nodesText(change.nodes)];
}

function nodesText(nodes: readonly string[]): string {
  return nodes.length <= 2 ? nodes.join(', ') : `${nodes[0]} and ${nodes.length - 1} more`;
}

function metricRow({ name, before, after, node }: MetricLine): string[] {
  const change = before === null || after === null ? '' : signed(after - before);
  return [name, number(before), number(after), change, node];
}

const number = (value: number | null) => (value === null ? '-' : String(Number(value.toPrecision(5))));
const signed = (value: number) => (value > 0 ? '+' : '') + Number(value.toPrecision(3));
