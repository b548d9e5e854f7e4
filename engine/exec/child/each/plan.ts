// Which items of a call have to be done, and where the files of the others are: in the node's last artifact, or in the folder of
// unfinished work. Nothing is changed but that folder, out of which goes what no item claims.
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Cache, Entry } from '../../../../cache/index.ts';
import type { EachJob } from '../../protocol.ts';
import type { Call } from './call.ts';
import { stampOf } from './item.ts';
import type { EachMemory, Remembered } from './memory.ts';

export interface EachPlan {
  /** Positions of items to be done, or to be verified. */
  readonly todo: readonly number[];
  /** Of items in `todo` that a run that did not end had finished: the digests of their files in the folder of work. */
  readonly unfinished: ReadonlyMap<number, readonly string[]>;
  /** By output: the artifact that it is a change of; absent where it is all new. */
  readonly bases: ReadonlyMap<string, Base>;
  /** Items with an entry in memory, of whatever fingerprint. */
  readonly known: number;
}

export interface Base {
  readonly entry: Entry;
  /** Path → digest. */
  readonly files: ReadonlyMap<string, string>;
}

type Bases = ReadonlyMap<string, Base>;

export async function planEach(
  call: Call,
  fingerprints: readonly string[],
  memory: EachMemory,
  each: EachJob,
  cache: Cache,
): Promise<EachPlan> {
  const { found, known } = recall(call, fingerprints, memory);
  const withFiles = [...found].filter(([at]) => call.files[at]!.length > 0);
  const work = new Map(call.outputs.map((output) => [output, new Set(filesBeneath(workFolder(memory, output)))]));

  let bases: Bases = new Map();
  let kept = new Set<number>();
  for (const candidate of [lastPublished, nowInPlace]) {
    const lost = withFiles.filter(
      ([at]) => !kept.has(at) && !call.files[at]!.every((file) => work.get(file.output)!.has(file.path)),
    );
    if (lost.length === 0 && kept.size > 0) break;
    if (withFiles.length === 0) break;
    const there = await candidate(call.outputs, each, cache);
    const holds = new Set(withFiles.filter(([at, digests]) => isIn(call, at, digests, there)).map(([at]) => at));
    if (holds.size > kept.size) [bases, kept] = [there, holds];
  }

  const unfinished = new Map(
    withFiles.filter(([at]) => !kept.has(at) && call.files[at]!.every((file) => work.get(file.output)!.has(file.path))),
  );
  clearWork(call, memory, work, unfinished);
  const todo = call.items
    .map((_, at) => at)
    .filter((at) => unfinished.has(at) || (!kept.has(at) && !isDone(call, found, at)));
  return { todo, unfinished, bases: kept.size > 0 ? bases : new Map(), known };
}

export function workFolder(memory: EachMemory, output: string): string {
  return path.join(memory.folder, 'work', output);
}

const isDone = (call: Call, found: ReadonlyMap<number, unknown>, at: number) =>
  found.has(at) && call.files[at]!.length === 0;

/** By position: the files' digests of items that are as they were. */
function recall(
  call: Call,
  fingerprints: readonly string[],
  memory: EachMemory,
): { found: Map<number, readonly string[]>; known: number } {
  const found = new Map<number, readonly string[]>();
  let known = 0;
  for (const [at, key] of call.keys.entries()) {
    const remembered = memory.find(key);
    if (!remembered) continue;
    known++;
    if (remembered.fingerprint === fingerprints[at] && isSound(remembered, call, at)) found.set(at, remembered.digests);
  }
  return { found, known };
}

/** An item of a run that was not confirmed was made of these bytes if its inputs have not been touched since. */
function isSound({ unconfirmed, digests }: Remembered, call: Call, at: number): boolean {
  if (digests.length !== call.files[at]!.length) return false;
  return unconfirmed === null || stampOf(call.inputs(at)) === unconfirmed;
}

function isIn(call: Call, at: number, digests: readonly string[], bases: Bases): boolean {
  return call.files[at]!.every((file, i) => bases.get(file.output)?.files.get(file.path) === digests[i]);
}

/** The artifact that the engine recorded last, where the store can give back all of it. */
function lastPublished(outputs: readonly string[], { previous }: EachJob, cache: Cache): Bases {
  const bases = new Map<string, Base>();
  for (const output of outputs) {
    const entry = previous[output];
    if (entry?.kind === 'folder' && cache.has(entry)) add(bases, output, entry, cache);
  }
  return bases;
}

/** What lies in the work tree: all there is when the store has lost it, or a kill came between placing and recording. */
async function nowInPlace(outputs: readonly string[], { targets }: EachJob, cache: Cache): Promise<Bases> {
  const bases = new Map<string, Base>();
  for (const output of outputs) {
    try {
      await cache.warm([targets[output]!]);
      const entry = cache.scan(targets[output]!);
      if (entry?.kind === 'folder') add(bases, output, entry, cache);
    } catch {
      // A dangling link or a socket in it: no place to take anything from.
    }
  }
  return bases;
}

function add(bases: Map<string, Base>, output: string, entry: Entry, cache: Cache): void {
  const files = cache.files(entry);
  if (files) bases.set(output, { entry, files: new Map(files.map((file) => [file.path, file.digest])) });
}

/** Files of items that were being done when the process ended, or that have changed since. */
function clearWork(
  call: Call,
  memory: EachMemory,
  work: ReadonlyMap<string, ReadonlySet<string>>,
  unfinished: ReadonlyMap<number, unknown>,
): void {
  const claimed = new Map(call.outputs.map((output) => [output, new Set<string>()]));
  for (const at of unfinished.keys()) for (const file of call.files[at]!) claimed.get(file.output)!.add(file.path);
  for (const [output, files] of work) {
    for (const file of files) {
      if (!claimed.get(output)!.has(file)) rmSync(path.join(workFolder(memory, output), file), { force: true });
    }
  }
}

function filesBeneath(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
