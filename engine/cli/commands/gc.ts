// dag gc: makes the cache smaller. Without limits only what no result leads to goes; limits of age and size drop results
// that are neither pinned, nor of the last runs, nor what a node's artifacts are made of now.
import type { Collection } from '../../../cache/index.ts';
import { collectResults } from '../../project/gc.ts';
import { pinsMatching, pinsNamed } from '../../project/pinNames.ts';
import type { Limits } from '../../project/retention.ts';
import { type CommonFlags, openSession, type Session } from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import type { Garbage, GarbageKind } from '../../state/garbage.ts';
import { listPins, removePins, setPins } from '../../state/pins.ts';
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
    const { dropped, collection, garbage, hinderedBy } = await collectResults(session, {
      limits,
      flags,
      dryRun,
      onWait: ({ pid }) => process.stderr.write(`waiting for another collection (process ${pid})\n`),
    });
    if (flags.json)
      process.stdout.write(
        `${JSON.stringify({ schemaVersion: 1, dryRun, dropped, ...collection, leftovers: sumsOf(garbage), hinderedBy })}\n`,
      );
    else print(collection, dropped, garbage, dryRun);
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

async function changePins(session: Session, flags: GcFlags): Promise<number> {
  const { cache, pipeline } = session;
  const pins = (flags.pin ?? []).flatMap((word) => pinsNamed(session, word));
  await setPins(cache, pins);
  for (const word of flags.unpin ?? []) await removePins(cache, pinsMatching(session, word));
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

function print(found: Collection, nodes: readonly string[], garbage: readonly Garbage[], dryRun: boolean): void {
  const out = (line: string) => process.stdout.write(`${line}\n`);
  for (const [task, count] of countByTask(nodes)) out(dim(`${count} ${count === 1 ? 'result' : 'results'} of ${task}`));
  const parts = Object.entries(sumsOf(garbage)).map(([kind, { count, bytes }]) => ({
    bytes,
    what: `${count} × ${TOLD[kind as GarbageKind]}`,
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

const TOLD: Record<GarbageKind, string> = {
  code: 'bundled code of earlier runs',
  scratch: 'scratch that no node will take up again',
  items: 'remembered items of nodes that are no more',
  staging: 'staging of runs that ended early',
  claims: 'claims that nobody holds',
  damaged: 'damaged files that were set aside over a week ago',
};

function sumsOf(garbage: readonly Garbage[]): Record<string, { count: number; bytes: number }> {
  const sums: Record<string, { count: number; bytes: number }> = {};
  for (const { kind, bytes } of garbage) {
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
