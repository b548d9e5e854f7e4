// dag log NODE: what the node's latest run printed; with --follow, what it prints until it ends.
import { existsSync, readFileSync } from 'node:fs';
import { livingOwner } from '../../../cache/host/index.ts';
import { type CurrentRun, currentRun } from '../../journal/current.ts';
import { createDecoder } from '../../journal/decode.ts';
import { tailFile, tailLines } from '../../journal/tail.ts';
import { type CommonFlags, loadProject, selectNames } from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import { logPath, type Places, placesOf } from '../../state/places.ts';
import { bold, dim } from '../../text/style.ts';
import { EXIT } from '../exit.ts';
import { isHeard } from '../output.ts';
import { pause } from './follow.ts';

interface LogFlags extends CommonFlags {
  readonly follow?: boolean;
}

export async function logCommand(selector: string, flags: LogFlags): Promise<number> {
  if (flags.follow && flags.json)
    throw new UsageError('--follow prints the log as it grows, and --json one object: take one of them');
  const pipeline = loadProject(flags);
  const names = selectNames(pipeline, [selector], true);
  const places = placesOf(pipeline.root);
  if (flags.follow) return await followLog(oneOf(names, selector), places);
  const logs = names.map((name) => ({ name, file: logPath(places, name) })).filter(({ file }) => existsSync(file));
  if (logs.length === 0) throw new UsageError(`${names.join(', ')} has no log: it has not run in this project`);
  if (flags.json) {
    const entries = logs.map(({ name, file }) => ({ name, file, text: readFileSync(file, 'utf8') }));
    process.stdout.write(`${JSON.stringify({ schemaVersion: 1, logs: entries })}\n`);
    return EXIT.done;
  }
  for (const { name, file } of logs) {
    const text = readFileSync(file);
    if (logs.length > 1) process.stdout.write(`${bold(name)}\n`);
    if (text.length === 0) process.stderr.write(dim(`${name} printed nothing\n`));
    process.stdout.write(text);
  }
  return EXIT.done;
}

function oneOf(names: readonly string[], selector: string): string {
  if (names.length === 1) return names[0]!;
  throw new UsageError(`"${selector}" is ${names.length} nodes; --follow takes one, e.g. '${names[0]}'`);
}

/** Prints the log as it grows, until the node's end is in the journal or the run is over. Waits for a node that is due. */
async function followLog(node: string, places: Places): Promise<number> {
  const file = logPath(places, node);
  const current = await currentRun(places);
  if (!current && !existsSync(file)) throw new UsageError(`${node} has no log, and no run is going on`);
  const state = current ? watchNode(node, current.file) : null;
  const log = tailFile(file);
  let told = false;
  for (;;) {
    const over = !current || !(await goesOn(places, current));
    const now = state?.() ?? 'ended';
    // A log from before this run is not what was asked for.
    if (now !== 'waiting' || over)
      for (let text = log.read(); text.length > 0; text = log.read()) process.stdout.write(text);
    else if (!told) process.stderr.write(`${node} has not started yet; waiting\n`);
    told ||= now === 'waiting';
    if (over || now === 'ended' || !isHeard(process.stdout)) return EXIT.done;
    await pause();
  }
}

async function goesOn(places: Places, current: CurrentRun): Promise<boolean> {
  return livingOwner(places.lock)?.pid === current.pid;
}

const ENDS: ReadonlySet<string> = new Set(['node-fresh', 'node-done', 'node-failed', 'node-blocked', 'node-restored']);

/** Where the node stands in a run, by the journal so far. */
function watchNode(node: string, journal: string): () => 'waiting' | 'running' | 'ended' {
  const lines = tailLines(journal);
  const decode = createDecoder();
  let state: 'waiting' | 'running' | 'ended' = 'waiting';
  return () => {
    for (const event of lines.read().flatMap((text) => decode(text) ?? [])) {
      if (event.type === 'run-finished') state = 'ended';
      if (!('node' in event) || event.node !== node) continue;
      if (event.type === 'node-started') state = 'running';
      if (ENDS.has(event.type)) state = 'ended';
    }
    return state;
  };
}
