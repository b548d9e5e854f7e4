// The engine's one law, on random graphs and random histories of edits, runs, kills, reverts, tampering and collection: by
// thousands within this process, and by the dozen through the command line with real kills. DAG_SEQUENCES and
// DAG_CLI_SEQUENCES set how many are tried, DAG_SEED repeats one.
import { spawn } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endOrphans } from '../../engine/exec/local/orphans.ts';
import { readJournal, runIds } from '../../engine/journal/read.ts';
import type { RunSummary } from '../../engine/model/event.ts';
import { placesOf } from '../../engine/state/places.ts';
import { DAG } from '../rigs/project.ts';
import { type RunOrder, type RunStory, runOnce, storyOf } from './engine.ts';
import { type Engine, tryHistory } from './history.ts';
import { history } from './operations.ts';

const LONG_MS = 3_600_000;
/** A failure that depends on timing would be made smaller for ever. */
const SHRINKING_MS = 300_000;
const seed = process.env.DAG_SEED === undefined ? {} : { seed: Number(process.env.DAG_SEED) };

function always(engine: Engine, times: number): Promise<void> {
  return fc.assert(
    fc.asyncProperty(history, (given) => tryHistory(given, engine)),
    { numRuns: times, ...(times > 500 ? { endOnFailure: true } : { interruptAfterTimeLimit: SHRINKING_MS }), ...seed },
  );
}

test(
  'after any history, outputs are those of a clean build, and only nodes with new keys ran',
  async () => {
    await always(runOnce, Number(process.env.DAG_SEQUENCES ?? 120));
  },
  LONG_MS,
);

test(
  'so it is through the command line, with processes really killed',
  async () => {
    await always(runCommand, Number(process.env.DAG_CLI_SEQUENCES ?? 6));
  },
  LONG_MS,
);

/**
 * As `runOnce`, by `dag run`; killed when it has printed as many lines as the order says steps. Edits come when it prints, and it
 * hears nothing of them.
 */
async function runCommand(root: string, order: RunOrder): Promise<RunStory> {
  const { journals, running } = placesOf(root);
  const before = new Set(runIds(journals));
  const words = [DAG, 'run', '--json', '-j', '3'];
  const flags = [...(order.force ? ['--force'] : []), ...(order.keepGoing ? ['--keep-going'] : [])];
  const child = spawn(process.execPath, [...words, ...flags, ...order.selectors], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1' },
  });
  let [stdout, stderr, printed] = ['', '', 0];
  const edits = [order.meanwhile, ...(order.edits ?? []).map(({ make }) => make)];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
    const lines = stderr.split('\n').length;
    if (order.stopAt !== null && lines > order.stopAt % 8) child.kill('SIGINT');
    if (order.killAt !== null && lines > order.killAt % 8) child.kill('SIGKILL');
    edits[printed++]?.();
  });
  await new Promise((resolve) => child.on('close', resolve));
  // Whether or not something ran, the edits are made.
  for (const make of edits.slice(printed)) make?.();
  const events = runIds(journals)
    .filter((id) => !before.has(id))
    .flatMap((id) => readJournal(journals, id).events);
  // A command that outlived its run would write into its output between the look at that and the next run.
  if (child.signalCode !== null) await endOrphans(running, root, () => {}, new AbortController().signal);
  const summary = child.signalCode === null ? (JSON.parse(stdout) as RunSummary) : null;
  if (summary) expect(stderr).not.toContain('internal error');
  return { summary, ...storyOf(events), isFollowed: false };
}
