// Saves what a node made: its bytes to the store (temporary until the barrier), the artifact to its place in the work
// tree. The caller promises that nobody else writes to `staged` meanwhile.
import { chmodSync, linkSync, rmSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { type Hashed, type Job, transferAll } from '../hash/files.ts';
import { chooseLink, type Link } from '../host/link.ts';
import { swap } from '../host/replace.ts';
import { isExecutable, statOrNull, TICK_MS } from '../host/stat.ts';
import { SMALL_BYTES } from '../store/objects.ts';
import { difference, filesOf } from '../store/trees.ts';
import type { Digest, Entry } from '../types.ts';
import type { Shelf } from './parts.ts';

const WORTH_WAITING_BYTES = 8 * 2 ** 20;
const FILES_AT_ONCE = 10_000;

/**
 * Throws where nothing lies at `staged`, and what looking at it throws. `base`: what the artifact was before; of what it has in
 * common with it, the store need not be asked file by file.
 */
export async function saveArtifact(
  shelf: Shelf,
  staged: string,
  target: string,
  base: Entry | null = null,
): Promise<Entry> {
  const { looker } = shelf;
  looker.forget(staged);
  await storeFiles(shelf, await looker.unknown(staged));
  shelf.onStep('stored');
  swap(staged, target, shelf.objects.discard);
  shelf.onStep('swapped');
  looker.forget(staged);
  looker.forget(target);
  await looker.warm([target]);
  const entry = looker.look(target);
  if (!entry) throw new Error(`nothing lies at ${staged}: there is nothing to save`);
  await storeRest(shelf, target, entry, base);
  if (entry.kind === 'folder') shelf.whole.add(entry.digest);
  return entry;
}

/** Hashes and stores in one pass over the bytes; so many files at once that an artifact of a million does not fill the memory. */
async function storeFiles(shelf: Shelf, files: readonly Job[]): Promise<void> {
  if (files.length === 0) return;
  const link = chooseLink(shelf.link, files[0]!.path, shelf.objects.temporary);
  await letClockMove(files);
  for (let from = 0; from < files.length; from += FILES_AT_ONCE) {
    const jobs = files.slice(from, from + FILES_AT_ONCE).map((file) => withCopy(shelf, file, link));
    const hashed = await transferAll(jobs, shelf.counters);
    for (const [at, one] of hashed.entries()) {
      const job = jobs[at]!;
      if (one.torn) throw new Error(`${job.path} was written to while it was being saved. Wait for its writer to end.`);
      admit(shelf, one, job);
      // Linking moves ctime, so the hint must not insist on it.
      shelf.looker.hint({ ...one, bytes: null }, true);
    }
  }
}

/**
 * Bytes hashed in the clock tick of their last write must be hashed again by the next run. Where that is much, it is
 * worth waiting for the tick to end.
 */
async function letClockMove(files: readonly Job[]): Promise<void> {
  let bytes = 0;
  let newestMs = 0;
  for (const { sizeBytes, mtimeMs } of files) {
    bytes += sizeBytes;
    newestMs = Math.max(newestMs, mtimeMs ?? 0);
  }
  const waitMs = newestMs + TICK_MS + 1 - Date.now();
  if (bytes > WORTH_WAITING_BYTES && waitMs > 0 && waitMs <= TICK_MS + 1) await setTimeout(waitMs);
}

function withCopy(shelf: Shelf, file: Job, link: Link): Job {
  if (link === 'hardlink' || file.sizeBytes <= SMALL_BYTES) return { ...file, keepBytes: SMALL_BYTES };
  const stat = statOrNull(file.path);
  const mode = stat && isExecutable(stat) ? 0o555 : 0o444;
  return { ...file, copy: { to: shelf.objects.temporary(), mode, reflink: link === 'reflink' } };
}

function admit(shelf: Shelf, hashed: Hashed, job: Job): void {
  const { objects } = shelf;
  if (hashed.bytes) return objects.admitSmall(hashed.digest, hashed.bytes, isExecutable(hashed.stat));
  if (objects.claim(hashed.digest)) {
    if (job.copy) rmSync(job.copy.to, { force: true });
    return;
  }
  if (job.copy) return objects.admit(hashed.digest, job.copy.to);
  const temporary = objects.temporary();
  chmodSync(job.path, isExecutable(hashed.stat) ? 0o555 : 0o444);
  linkSync(job.path, temporary);
  objects.admit(hashed.digest, temporary);
}

/** Files whose digests were known by their stats, but whose bytes the store does not have. */
async function storeRest(shelf: Shelf, target: string, entry: Entry, base: Entry | null): Promise<void> {
  const files = beyond(shelf, target, entry, base) ?? digestsOf(shelf, target, entry);
  const missing = files.filter((file) => !shelf.objects.claim(file.digest));
  await storeFiles(
    shelf,
    missing.map(({ path, sizeBytes }) => ({ path, sizeBytes })),
  );
  for (const { digest, path } of missing) {
    if (!shelf.objects.holds(digest))
      throw new Error(`${path} changed while it was being saved. Wait for its writer to end.`);
  }
  if (missing.length === 0) return;
  shelf.looker.forget(target); // Links moved the ctimes: let the stat cache have the new ones.
  shelf.looker.look(target);
}

type FileHere = { path: string; digest: Digest; sizeBytes: number };

/** What the base does not have, where the store has all of the base and collection leaves it; else null. */
function beyond({ database, objects }: Shelf, target: string, entry: Entry, base: Entry | null): FileHere[] | null {
  if (base?.kind !== 'folder' || entry.kind !== 'folder') return null;
  if (!objects.countOn(base.digest) || !database.has('stored', base.digest)) return null;
  const found = difference(database, base.digest, entry.digest, Number.POSITIVE_INFINITY);
  const files = found?.changes.filter(({ path, after }) => after !== null && !path.endsWith('/'));
  return files?.map(({ path, after, sizeBytes }) => ({ path: `${target}/${path}`, digest: after!, sizeBytes })) ?? null;
}

function digestsOf(shelf: Shelf, path: string, entry: Entry): FileHere[] {
  if (entry.kind === 'file') return [{ path, digest: entry.digest, sizeBytes: entry.sizeBytes }];
  const files = filesOf(shelf.database, entry.digest);
  if (!files) throw new Error('internal error: a folder that was just looked at is not in the index');
  return files.map((file) => ({ ...file, path: `${path}/${file.path}` }));
}
