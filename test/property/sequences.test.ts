// The engine's one law, on random graphs and random histories of edits, runs, kills, reverts, tampering and collection: by
// thousands within this process, and by the dozen through the command line with real kills. DAG_SEQUENCES and
// DAG_CLI_SEQUENCES set how many are tried, DAG_SEED repeats one.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RunEvent, RunSummary } from '../../engine/event.ts';
import { runIds } from '../../engine/history/read.ts';
import { placesOf } from '../../engine/state/places.ts';
import { REPOSITORY } from '../rigs/project.ts';
import { type RunOrder, type RunStory, runOnce } from './engine.ts';
import { type Engine, history, tryHistory } from './history.ts';

const LONG_MS = 3_600_000;
const seed = process.env.DAG_SEED === undefined ? {} : { seed: Number(process.env.DAG_SEED) };

function always(engine: Engine, times: number): Promise<void> {
  return fc.assert(
    fc.asyncProperty(history, (given) => tryHistory(given, engine)),
    { numRuns: times, endOnFailure: times > 500, ...seed },
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

/** As `runOnce`, by `dag run`; killed when it has printed as many lines as the order says steps. */
async function runCommand(root: string, order: RunOrder): Promise<RunStory> {
  const { journals } = placesOf(root);
  const before = new Set(runIds(journals));
  const words = [path.join(REPOSITORY, 'dist/dag.js'), 'run', '--json', '--keep-going', '-j', '3'];
  const child = spawn(process.execPath, [...words, ...(order.force ? ['--force'] : []), ...order.selectors], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1' },
  });
  let [stdout, stderr, done] = ['', '', false];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
    if (order.killAt !== null && stderr.split('\n').length > order.killAt % 8) child.kill('SIGKILL');
    if (!done) order.meanwhile?.();
    done = true;
  });
  await new Promise((resolve) => child.on('close', resolve));
  // Whether or not something ran, the edit is made.
  if (!done) order.meanwhile?.();
  const events = runIds(journals)
    .filter((id) => !before.has(id))
    .flatMap((id) => wholeLines(path.join(journals, `${id}.jsonl`)));
  const started = new Map(events.flatMap((event) => (event.type === 'node-started' ? [[event.node, event.key]] : [])));
  const told = new Set(events.flatMap((event) => (event.type === 'node-done' ? [event.node] : [])));
  if (child.signalCode !== null) return { summary: null, started, done: told };
  expect(stderr).not.toContain('internal error');
  return { summary: JSON.parse(stdout) as RunSummary, started, done: told };
}

function wholeLines(file: string): RunEvent[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as RunEvent);
}
