// dag history: the runs of this project; dag history NODE: each time that node ran, and why.

import { livingOwner } from '../../../cache/host/index.ts';
import { jsonOfMetrics } from '../../journal/metrics.ts';
import { type Journal, readJournal, runIds } from '../../journal/read.ts';
import { happenings, type NodeHappening, type PastRun, pastRun } from '../../journal/runs.ts';
import { describeReason, describeReasons } from '../../model/reason.ts';
import { type CommonFlags, loadProject, projectRoot, selectNames } from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import { placesOf } from '../../state/places.ts';
import { duration, localTime } from '../../text/duration.ts';
import { bold, dim, green, red, yellow } from '../../text/style.ts';
import { EXIT } from '../exit.ts';

interface HistoryFlags extends CommonFlags {
  readonly last?: number;
}

const RUNS_SHOWN = 20;
const REASONS_SHOWN = 3;

export async function historyCommand(selector: string | undefined, flags: HistoryFlags): Promise<number> {
  if (selector === undefined) return await showRuns(flags);
  return showNodes(selector, flags);
}

async function showRuns(flags: HistoryFlags): Promise<number> {
  const places = placesOf(projectRoot(flags));
  const running = livingOwner(places.lock)?.pid ?? null;
  const ids = runIds(places.journals).reverse();
  const journals: Journal[] = [];
  const runs: PastRun[] = [];
  for (const id of ids) {
    if (runs.length === (flags.last ?? RUNS_SHOWN)) break;
    const journal = readJournal(places.journals, id, mattersForRuns);
    const run = pastRun(journal, running);
    journals.push(journal);
    if (run) runs.push(run);
  }
  if (flags.json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, runs })}\n`);
  else print(runs.map((run, age) => runText(run, age)));
  tell(journals);
  if (runs.length === 0 && !flags.json) process.stderr.write('nothing has run here yet: `dag run`\n');
  return EXIT.done;
}

/** Of long journals most lines are metrics and progress. */
function mattersForRuns(text: string): boolean {
  return !text.includes('"type":"node-metric"') && !text.includes('"type":"node-progress"');
}

function runText(run: PastRun, age: number): string {
  const counts = [
    `${run.ran} ran`,
    run.restored > 0 ? `${run.restored} restored` : '',
    `${run.fresh} fresh`,
    run.failed > 0 ? `${run.failed} failed` : '',
    run.stopped > 0 ? `${run.stopped} stopped` : '',
  ].filter(Boolean);
  const result = { done: green, failed: red, stopped: yellow, running: yellow, died: red }[run.result](run.result);
  const name = age === 0 ? 'last' : `last~${age}`;
  const asked = bold(`dag ${run.words.map(quoted).join(' ')}`);
  return [
    `${name.padEnd(8)} ${localTime(run.startedAt)}  ${asked}`,
    `         ${result}  ${counts.join(', ')}  in ${duration(run.seconds)}${run.profile ? `  profile ${run.profile}` : ''}`,
    dim(`         ${run.id}`),
  ].join('\n');
}

const quoted = (word: string) => (/^[\w@%+=:,./~^-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function showNodes(selector: string, flags: HistoryFlags): number {
  const pipeline = loadProject(flags);
  const places = placesOf(pipeline.root);
  const names = selectNames(pipeline, [selector], true);
  const marks = names.map((name) => [name, JSON.stringify(name)] as const);
  const ids = runIds(places.journals);
  const journals = ids.map((id) =>
    readJournal(places.journals, id, (text) => mattersForRuns(text) && marks.some(([, mark]) => text.includes(mark))),
  );
  const nodes = names.map((name) => ({ name, happened: journals.flatMap((journal) => happenings(journal, name)) }));
  if (nodes.every(({ happened }) => happened.length === 0))
    throw new UsageError(`${names.join(', ')}: nothing is recorded of it; it has not run in this project`);
  if (flags.json) {
    process.stdout.write(`${jsonOfMetrics({ schemaVersion: 1, nodes })}\n`);
    return EXIT.done;
  }
  for (const { name, happened } of nodes) {
    if (happened.length === 0) continue;
    print([bold(name), ...happened.slice(-(flags.last ?? happened.length)).flatMap(happeningLines)]);
  }
  tell(journals);
  return EXIT.done;
}

function happeningLines(happening: NodeHappening): string[] {
  const when = `  ${localTime(happening.at)}`;
  if (happening.kind === 'accepted') {
    const { reason, by, changes } = happening.acceptance;
    return [
      `${when}  ${yellow('accepted')} by ${by}: ${reason}`,
      ...changes.map((change) => dim(`      ${describeReason(change)}`)),
    ];
  }
  const { kind, seconds, reasons, message, metrics } = happening;
  const colour = { ran: green, restored: green, failed: red, stopped: yellow, yielded: yellow, unfinished: red }[kind];
  const word = { unfinished: 'not finished', yielded: 'gave way' }[kind as string] ?? kind;
  const time = seconds === null || kind === 'restored' ? '' : ` in ${duration(seconds)}`;
  const numbers = Object.entries(metrics).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
  return [
    `${when}  ${colour(word)}${time}  ${dim(describeReasons(reasons, REASONS_SHOWN))}`,
    ...(numbers.length > 0 ? [dim(`      ${numbers.join(', ')}`)] : []),
    ...(message === null ? [] : [`      ${message.split('\n')[0]}`]),
  ];
}

function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}

function tell(journals: readonly Journal[]): void {
  for (const { trouble } of journals) for (const line of trouble) process.stderr.write(`${yellow('!')} ${line}\n`);
}
