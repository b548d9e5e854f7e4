// Collection of garbage: drops the records it is told to, then removes every object that no record left leads to.
//
// Safe beside running builds, without stopping them. A build counts on an object before its record says so, so what is
// new or was retained since the oldest living build began stays, whoever leads to it: a build that finds bytes it needs
// in the store sets their access time (`retain`), and an object that was moved out of the way for removal is looked at
// once more and put back when it was retained in between. Small files lie in the index without times: they are removed
// only when no build lives, inside one write transaction; a build writes what it retains again with its record.
//
// Locks: one of its own (collect.lock, against a second collection), then LMDB's writer lock; builds hold only the
// latter, for one transaction, so there is no circle. The project's run lock is never taken.
//
// Merkle nodes stay: they tell `why` what changed in folders, and cost 100 bytes a file.
import { decodeChunk, decodeFolder } from '../hash/merkle.ts';
import { acquireLock, type LockOwner } from '../host/lock.ts';
import { TICK_MS } from '../host/stat.ts';
import { collectLock, type StoredFile } from '../store/objects.ts';
import type { Digest, Entry } from '../types.ts';
import type { CacheParts } from './parts.ts';
import { forgetIncomplete } from './verify.ts';

export interface CollectRequest {
  /** Records to drop, by id. */
  readonly drop: readonly string[];
  /** The entries that a record leads to. */
  entriesOf(record: unknown): readonly Entry[];
  /** Asked of each record again at the last moment: a build may have come to need it. */
  mayDrop(id: string): boolean;
  readonly dryRun: boolean;
  onWait(owner: LockOwner): void;
}

export interface Collection {
  readonly records: number;
  readonly objects: number;
  readonly bytes: number;
  /** What is left in the store. */
  readonly keptObjects: number;
  readonly keptBytes: number;
  /** Kept although nothing leads to it, because a build that runs may count on it. */
  readonly youngBytes: number;
  /** Builds that were running: ISO 8601 start, and the folder that says so. */
  readonly builds: readonly { readonly since: string; readonly lease: string }[];
}

export async function collect(parts: CacheParts, dir: string, request: CollectRequest): Promise<Collection> {
  const lock = await acquireLock(collectLock(dir), { onWait: request.onWait });
  try {
    return await collectLocked(parts, request);
  } finally {
    lock.release();
  }
}

async function collectLocked(parts: CacheParts, request: CollectRequest): Promise<Collection> {
  const { database } = parts;
  await database.flush();
  const began = Date.now();
  const builds = parts.objects.leases();
  const cutoffMs = Math.min(began, ...builds.map(({ sinceMs }) => sinceMs)) - TICK_MS;
  const doomed = new Set(request.drop);
  const reachable = reach(parts, request, (id) => !doomed.has(id));

  const found = sortObjects(parts.objects.files(), reachable, cutoffMs);
  const smalls = (database.keys('small') as Digest[]).filter((digest) => !reachable.has(digest));
  const smallBytes = (digests: readonly Digest[]) =>
    digests.reduce((sum, digest) => sum + (database.read('small', digest)?.length ?? 1) - 1, 0);
  const allSmalls = database.keys('small').length;
  const idle = builds.length === 0;
  const outcome = {
    records: doomed.size,
    objects: found.garbage.length + (idle ? smalls.length : 0),
    bytes: found.garbage.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) + (idle ? smallBytes(smalls) : 0),
    keptObjects: found.kept + allSmalls - (idle ? smalls.length : 0),
    keptBytes: found.keptBytes + smallBytes(database.keys('small') as Digest[]) - (idle ? smallBytes(smalls) : 0),
    youngBytes: found.youngBytes + (idle ? 0 : smallBytes(smalls)),
    builds: builds.map(({ sinceMs, path }) => ({ since: new Date(sinceMs).toISOString(), lease: path })),
  };
  if (request.dryRun) return outcome;
  const stillReachable = await dropFromIndex(parts, request, doomed);
  const garbage = found.garbage.map(({ digest }) => digest).filter((digest) => !stillReachable.has(digest));
  const removed = parts.objects.delete(garbage, cutoffMs);
  if (removed.size > 0) forgetIncomplete(parts, (digest) => removed.has(digest));
  await database.flush();
  return outcome;
}

/**
 * Records first: a record without its bytes would be a lie, bytes without a record are only garbage. Returns what the
 * records left lead to.
 */
async function dropFromIndex(
  parts: CacheParts,
  request: CollectRequest,
  doomed: ReadonlySet<string>,
): Promise<ReadonlySet<Digest>> {
  const { database, objects } = parts;
  let reachable: ReadonlySet<Digest> = new Set();
  await database.exclusively((remove) => {
    const dropped = new Set([...doomed].filter((id) => request.mayDrop(id)));
    reachable = reach(parts, request, (id) => !dropped.has(id));
    for (const id of dropped) remove('records', id);
    if (objects.leases().length > 0) return;
    for (const digest of database.keys('small') as Digest[]) if (!reachable.has(digest)) remove('small', digest);
  });
  return reachable;
}

/** Every file's digest that a record leads to, or a folder that a running build counts on; Merkle nodes that folders share are read once. */
function reach(
  { database, objects }: CacheParts,
  request: CollectRequest,
  keeps: (id: string) => boolean,
): Set<Digest> {
  const files = new Set<Digest>();
  const seen = new Set<Digest>();
  const visit = (folder: Digest): void => {
    if (seen.has(folder)) return;
    seen.add(folder);
    const head = objects.tree(folder);
    for (const digest of head ? decodeFolder(head).chunks : []) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      const chunk = objects.tree(digest);
      for (const line of chunk ? decodeChunk(chunk) : []) {
        if (line.folder) visit(line.digest);
        else files.add(line.digest);
      }
    }
  };
  for (const { folders } of objects.leases()) for (const folder of folders) visit(folder);
  for (const id of database.keys('records')) {
    if (!keeps(id)) continue;
    for (const entry of request.entriesOf(database.get('records', id))) {
      if (entry.kind === 'folder') visit(entry.digest);
      else files.add(entry.digest);
    }
  }
  return files;
}

function sortObjects(files: Iterable<StoredFile>, reachable: ReadonlySet<Digest>, cutoffMs: number) {
  const found = { garbage: [] as StoredFile[], kept: 0, keptBytes: 0, youngBytes: 0 };
  for (const file of files) {
    const led = reachable.has(file.digest);
    if (!led && file.usedMs < cutoffMs) found.garbage.push(file);
    else {
      found.kept++;
      found.keptBytes += file.sizeBytes;
      if (!led) found.youngBytes += file.sizeBytes;
    }
  }
  return found;
}
