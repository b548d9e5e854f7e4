// Publishing what `ctx.each` made: an output that is a change of the node's last artifact is not copied, the artifact in the
// work tree becomes it. Files that stay are not touched, so that the stat cache still knows them and nothing is hashed twice.
// A kill in between leaves an artifact that no record speaks of: the next run restores it, or takes it up where it is.

import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { type Cache, type Entry, hashValue } from '../../cache/index.ts';
import type { EachJob, EachOutput } from '../exec/protocol.ts';
import type { Node } from '../model/node.ts';
import { own } from '../model/own.ts';
import type { Assessment } from '../plan/assess.ts';
import type { Places } from '../state/places.ts';
import { eachFolder } from '../state/places.ts';
import { recordOf, stateOf } from '../state/records.ts';

/** What a node's process needs to do only what is new; null for a shell command. */
export function eachJobOf(
  root: string,
  places: Places,
  cache: Cache,
  node: Node,
  { ingredients, environment, read }: Assessment,
  anew: boolean,
): EachJob | null {
  const { code } = ingredients;
  if (code.kind === 'shell') return null;
  const state = stateOf(cache, node.name);
  const last = state && recordOf(cache, state.key)?.outputs;
  const entries: Record<string, Entry[]> = {};
  let at = 0;
  for (const { name, sources } of node.inputs) entries[name] = sources.map(() => read[at++]!.entry);
  return {
    folder: eachFolder(places, node.name),
    cache: places.cache,
    code: hashValue({ digest: code.digest, packages: { ...code.packages }, environment: { ...environment } }),
    entries,
    previous: Object.fromEntries(node.outputs.map(({ name }) => [name, (last && own(last, name)) ?? null])),
    targets: Object.fromEntries(node.outputs.map(({ name, path: file }) => [name, path.join(root, file)])),
    anew,
  };
}

/** The base of the change is not there any more, or somebody wrote to it meanwhile. */
export class LostBase extends Error {
  override readonly name = 'LostBase';
}

/** As `cache.save`: durable after the next commit. Throws `LostBase` with a message for the user, and StoreDamage. */
export async function saveEach(cache: Cache, { folder, base, removed }: EachOutput, target: string): Promise<Entry> {
  if (base === null || removed === null) return cache.save(folder, target);
  await reinstate(cache, base, target);
  const gone = JSON.parse(readFileSync(removed, 'utf8')) as string[];
  for (const file of gone) removeFile(target, file);
  const moved = moveAll(folder, target);
  cache.forget(target);
  const entry = await cache.save(target, target, base);
  refuseForeign(cache, base, entry, new Set([...gone, ...moved]), target);
  return entry;
}

async function reinstate(cache: Cache, base: Entry, target: string): Promise<void> {
  cache.forget(target);
  await cache.warm([target]);
  if (cache.scan(target)?.digest === base.digest) return;
  if (!cache.has(base))
    throw new LostBase(`${target} changed while the node ran, and the store does not have what it was`);
  await cache.restore(base, target);
}

/** An empty folder would count in the artifact's digest: a clean build has none. */
function removeFile(target: string, file: string): void {
  rmSync(path.join(target, file), { force: true });
  for (let inner = path.dirname(file); inner !== '.'; inner = path.dirname(inner)) {
    try {
      rmdirSync(path.join(target, inner));
    } catch {
      return; // Not empty.
    }
  }
}

/** Returns the paths of the files, relative. */
function moveAll(from: string, to: string): string[] {
  const files = readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(from, path.join(entry.parentPath, entry.name)));
  for (const file of files) {
    const place = path.join(to, file);
    if (file.includes('/')) mkdirSync(path.dirname(place), { recursive: true });
    move(path.join(from, file), place);
  }
  return files;
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    // The output is a link to another disk.
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    cpSync(from, to, { preserveTimestamps: true });
    rmSync(from);
  }
}

function refuseForeign(cache: Cache, base: Entry, entry: Entry, ours: ReadonlySet<string>, target: string): void {
  const changes = cache.diff(base.digest, entry.digest, ours.size + 1)?.changes ?? [];
  const foreign = changes.find(({ path: file }) => !ours.has(file));
  if (foreign)
    throw new LostBase(
      `${path.join(target, foreign.path)} was ${foreign.change} by somebody else while it was being saved`,
    );
}
