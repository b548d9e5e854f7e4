// dag gc: makes the cache smaller. Without limits only what no result leads to goes; limits of age and size drop results
// that are neither pinned, nor of the last runs, nor what a node's artifacts are made of now.
import type { Cache, Collection, Entry, Key } from '../../../cache/index.ts';
import { runIds } from '../../journal/read.ts';
import { snapshots } from '../../journal/snapshot.ts';
import { readUsage, type Usage } from '../../journal/usage.ts';
import type { NodeRecord, NodeState } from '../../model/record.ts';
import { collectLeftovers } from '../../project/collectGarbage.ts';
import { chooseDropped, type Limits, type Result } from '../../project/retention.ts';
import { findRun, knownRuns } from '../../project/runNames.ts';
import { type CommonFlags, openSession, type Session, selectNames } from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import type { Leftover, LeftoverKind } from '../../state/garbage.ts';
import { listPins, type Pin, removePins, setPins } from '../../state/pins.ts';
import { nodeOfId } from '../../state/projectView.ts';
import { recordOf, stateOf } from '../../state/records.ts';
import { bold, dim, yellow } from '../../text/style.ts';
import { parseBytes, parseDuration } from '../../text/units.ts';
import { EXIT } from '../exit.ts';

interface GcFlags extends CommonFlags {
  readonly maxSize?: string;
  readonly maxAge?: string;
  readonly keepRuns?: number;
  readonly dryRun?: boolean;
  readonly pin?: readonly string[];
  readonly unpin?: readonly string[];
  readonly pins?: boolean;
}

export async function gcCommand(flags: GcFlags): Promise<number> {
  const limits = limitsOf(flags);
  const dryRun = flags.dryRun ?? false;
  const session = openSession(flags);
  try {
    if (flags.pins || flags.pin?.length || flags.unpin?.length) return await changePins(session, flags);
    const usage = readUsage(session.places.journals);
    const drop = choose(session, limits, usage);
    const nodes = drop.map((key) => (session.cache.get('records', key) as NodeRecord).node);
    const collection = await session.cache.collect({
      drop,
      entriesOf: (record) => Object.values((record as NodeRecord).outputs),
      mayDrop: lateCheck(session.cache),
      dryRun,
      onWait: ({ pid }) => process.stderr.write(`waiting for another collection (process ${pid})\n`),
    });
    const { gone, hinderedBy } = await collectLeftovers(session, {
      usage,
      keepRuns: limits.keepRuns ?? 0,
      maxAgeMs: limits.maxAgeMs,
      flags,
      dryRun,
    });
    if (flags.json)
      process.stdout.write(
        `${JSON.stringify({ schemaVersion: 1, dryRun, dropped: nodes, ...collection, leftovers: sumsOf(gone), hinderedBy })}\n`,
      );
    else print(collection, nodes, gone, dryRun);
    for (const user of hinderedBy) process.stderr.write(`bundles and claims stay: the cache is open in ${user}\n`);
    return EXIT.done;
  } finally {
    await session.cache.close();
  }
}

function limitsOf({ maxSize, maxAge, keepRuns }: GcFlags): Limits {
  const read = (
    flag: string,
    text: string | undefined,
    parse: (text: string) => number | undefined,
    example: string,
  ) => {
    const value = text === undefined ? null : parse(text);
    if (value === undefined) throw new UsageError(`${flag} "${text}" cannot be read; write it like ${flag} ${example}`);
    return value;
  };
  return {
    maxBytes: read('--max-size', maxSize, parseBytes, '50GB or 200MiB'),
    maxAgeMs: read('--max-age', maxAge, parseDuration, '30d or 12h'),
    keepRuns: keepRuns ?? null,
  };
}

function choose({ cache }: Session, limits: Limits, usage: Usage): string[] {
  const isPresent = presentResults(cache);
  const kept = new Set<string>();
  for (const { keys } of listPins(cache)) for (const key of keys) kept.add(key);
  for (const { keys } of usage.runs.slice(0, limits.keepRuns ?? 0)) for (const key of keys) kept.add(key);
  const results = cache.ids('records').map((key): Result => {
    const record = cache.get('records', key) as NodeRecord;
    return {
      key,
      lastUsedMs: Math.max(Date.parse(record.ranAt), usage.lastUsedMs.get(key) ?? 0),
      isProtected: kept.has(key) || isPresent(key, record),
      *files() {
        for (const entry of Object.values(record.outputs)) yield* filesOf(cache, entry);
      },
    };
  });
  return chooseDropped(results, limits, Date.now());
}

function* filesOf(cache: Cache, entry: Entry): Generator<[string, number]> {
  for (const { digest, sizeBytes } of cache.files(entry) ?? []) yield [digest, sizeBytes];
}

/**
 * Whether a record is what its node's artifacts are now: by key, or by the same outputs. A parameter that was put back
 * makes a node fresh without running, and then the key that it last ran with is not the one that it has.
 */
function presentResults(cache: Cache): (key: string, record: NodeRecord) => boolean {
  const keys = new Set<string>();
  const outputs = new Set<string>();
  const made = (node: string, record: NodeRecord) => JSON.stringify([node, record.outputs]);
  for (const name of cache.ids('nodes')) {
    const { key } = cache.get('nodes', name) as NodeState;
    const record = recordOf(cache, key);
    keys.add(key);
    if (record) outputs.add(made(nodeOfId(name), record));
  }
  return (key, record) => keys.has(key) || outputs.has(made(record.node, record));
}

/** A build beside us may have made a result the present one since we chose. */
function lateCheck(cache: Cache): (key: string) => boolean {
  let isPresent: ReturnType<typeof presentResults> | null = null;
  return (key) => {
    isPresent ??= presentResults(cache);
    return !isPresent(key, cache.get('records', key) as NodeRecord);
  };
}

async function changePins(session: Session, flags: GcFlags): Promise<number> {
  const { cache, pipeline } = session;
  const pins = (flags.pin ?? []).flatMap((word) => pinsOf(session, word));
  await setPins(cache, pins);
  for (const word of flags.unpin ?? []) await removePins(cache, matching(session, word));
  const now = listPins(cache);
  if (flags.json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, pins: now })}\n`);
  else if (now.length === 0) process.stderr.write('nothing is pinned\n');
  else
    for (const { name, at, root, keys } of now)
      process.stdout.write(
        `${bold(name)}  ${dim(`${keys.length} results, since ${at}${root === pipeline.root ? '' : `, ${root}`}`)}\n`,
      );
  return EXIT.done;
}

/** A run pins the results it had, a node the one that it has now. */
function pinsOf({ cache, pipeline, places }: Session, word: string): Pin[] {
  const { root } = pipeline;
  const at = new Date().toISOString();
  const run = findRun(word, knownRuns(places.journals));
  if (run !== null) {
    const [snapshot] = snapshots(places.journals, runIds(places.journals), [run]);
    return [{ name: run, keys: [...snapshot!.nodes.values()].map(({ key }) => key as Key), at, root }];
  }
  return selectNames(pipeline, [word], true).map((name) => {
    const key = stateOf(cache, name)?.key;
    if (!key || !recordOf(cache, key))
      throw new UsageError(`${name} has no result to pin\n  \`dag run '${name}'\` makes one`);
    return { name, keys: [key], at, root };
  });
}

function matching({ cache, pipeline, places }: Session, word: string): Pin[] {
  const pins = listPins(cache).filter(({ root }) => root === pipeline.root);
  const name = findRun(word, knownRuns(places.journals)) ?? word;
  const exact = pins.filter((pin) => pin.name === name);
  if (exact.length > 0) return exact;
  const nodes = new Set(selectNames(pipeline, [word], true));
  const found = pins.filter((pin) => nodes.has(pin.name));
  if (found.length === 0) throw new UsageError(`${word} is not pinned\n  \`dag gc --pins\` lists what is`);
  return found;
}

function print(found: Collection, nodes: readonly string[], leftovers: readonly Leftover[], dryRun: boolean): void {
  const out = (line: string) => process.stdout.write(`${line}\n`);
  for (const [task, count] of countByTask(nodes)) out(dim(`${count} ${count === 1 ? 'result' : 'results'} of ${task}`));
  const parts = Object.entries(sumsOf(leftovers)).map(([kind, { count, bytes }]) => ({
    bytes,
    what: `${count} × ${TOLD[kind as LeftoverKind]}`,
  }));
  if (found.bytes + found.objects + found.records > 0)
    parts.unshift({ bytes: found.bytes, what: `${found.objects} files, ${found.records} results` });
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  out(`${bold(`${dryRun ? 'would free' : 'freed'} ${size(total)}`)}; ${size(found.keptBytes)} of results stay`);
  for (const { bytes, what } of parts) out(`  ${size(bytes)}: ${what}`);
  if (found.youngBytes === 0) return;
  const since = found.builds.map((build) => build.since).sort()[0];
  out(yellow(`${size(found.youngBytes)} more when the build that runs since ${since} has ended`));
  for (const { lease } of found.builds) out(dim(`  ${lease}`));
}

const TOLD: Record<LeftoverKind, string> = {
  code: 'bundled code of earlier runs',
  scratch: 'scratch that no node will take up again',
  items: 'remembered items of nodes that are no more',
  staging: 'staging of runs that ended early',
  claims: 'claims that nobody holds',
  damaged: 'damaged files that were set aside over a week ago',
};

function sumsOf(leftovers: readonly Leftover[]): Record<string, { count: number; bytes: number }> {
  const sums: Record<string, { count: number; bytes: number }> = {};
  for (const { kind, bytes } of leftovers) {
    sums[kind] ??= { count: 0, bytes: 0 };
    sums[kind].count++;
    sums[kind].bytes += bytes;
  }
  return sums;
}

function countByTask(nodes: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of nodes) {
    const task = name.split('[')[0]!;
    counts.set(task, (counts.get(task) ?? 0) + 1);
  }
  return counts;
}

function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, at] = [bytes, 0];
  while (value >= 1000 && at < units.length - 1) [value, at] = [value / 1000, at + 1];
  return `${at === 0 ? value : value.toFixed(1)} ${units[at]}`;
}
