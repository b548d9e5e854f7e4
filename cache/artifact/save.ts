// Saves what a node made: its bytes to the store (temporary until the barrier), the artifact to its place in the work
// tree. The caller promises that nobody else writes to `staged` meanwhile.
import { chmodSync, linkSync, rmSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { type Hashed, type Job, transferAll } from '../hash/files.ts';
import { chooseLink, type Link } from '../host/link.ts';
import { replace } from '../host/replace.ts';
import { isExecutable, statOrNull, TICK_MS } from '../host/stat.ts';
import { SMALL_BYTES } from '../store/objects.ts';
import { difference, filesOf } from '../store/trees.ts';
import type { Digest, Entry } from '../types.ts';
import type { CacheParts } from './parts.ts';

const WORTH_WAITING_BYTES = 8 * 2 ** 20;
const FILES_AT_ONCE = 10_000;

/**
 * Throws where nothing lies at `staged`, and what scanning it throws. `base`: what the artifact was before; of what it has in
 * common with it, the store need not be asked file by file.
 */
export async function saveArtifact(
  parts: CacheParts,
  staged: string,
  target: string,
  base: Entry | null = null,
): Promise<Entry> {
  const { scanner } = parts;
  scanner.forget(staged);
  await storeFiles(parts, await scanner.unknown(staged));
  parts.onStep('stored');
  replace(staged, target, parts.objects.removeLater);
  parts.onStep('swapped');
  scanner.forget(staged);
  scanner.forget(target);
  await scanner.warm([target]);
  const entry = scanner.scan(target);
  if (!entry) throw new Error(`nothing lies at ${staged}: there is nothing to save`);
  await storeRest(parts, target, entry, base);
  if (entry.kind === 'folder') parts.whole.add(entry.digest);
  return entry;
}

/** Hashes and stores in one pass over the bytes; so many files at once that an artifact of a million does not fill the memory. */
async function storeFiles(parts: CacheParts, files: readonly Job[]): Promise<void> {
  if (files.length === 0) return;
  const link = chooseLink(parts.link, files[0]!.path, parts.objects.temporary);
  await letClockMove(files);
  for (let from = 0; from < files.length; from += FILES_AT_ONCE) {
    const jobs = files.slice(from, from + FILES_AT_ONCE).map((file) => withCopy(parts, file, link));
    const hashed = await transferAll(jobs, parts.counters);
    for (const [at, one] of hashed.entries()) {
      const job = jobs[at]!;
      if (one.torn) throw new Error(`${job.path} was written to while it was being saved. Wait for its writer to end.`);
      admit(parts, one, job);
      // Linking moves ctime, so the hint must not insist on it.
      parts.scanner.hint({ ...one, bytes: null }, true);
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

function withCopy(parts: CacheParts, file: Job, link: Link): Job {
  if (link === 'hardlink' || file.sizeBytes <= SMALL_BYTES) return { ...file, keepBytes: SMALL_BYTES };
  const stat = statOrNull(file.path);
  const mode = stat && isExecutable(stat) ? 0o555 : 0o444;
  return { ...file, copy: { to: parts.objects.temporary(), mode, reflink: link === 'reflink' } };
}

function admit(parts: CacheParts, hashed: Hashed, job: Job): void {
  const { objects } = parts;
  if (hashed.bytes)
    return objects.write(hashed.digest, { path: null, bytes: hashed.bytes, executable: isExecutable(hashed.stat) });
  if (objects.retain(hashed.digest)) {
    if (job.copy) rmSync(job.copy.to, { force: true });
    return;
  }
  if (job.copy) return objects.write(hashed.digest, { path: job.copy.to });
  const temporary = objects.temporary();
  chmodSync(job.path, isExecutable(hashed.stat) ? 0o555 : 0o444);
  linkSync(job.path, temporary);
  objects.write(hashed.digest, { path: temporary });
}

/** Files whose digests were known by their stats, but whose bytes the store does not have. */
async function storeRest(parts: CacheParts, target: string, entry: Entry, base: Entry | null): Promise<void> {
  const files = beyond(parts, target, entry, base) ?? digestsOf(parts, target, entry);
  const missing = files.filter((file) => !parts.objects.retain(file.digest));
  await storeFiles(
    parts,
    missing.map(({ path, sizeBytes }) => ({ path, sizeBytes })),
  );
  for (const { digest, path } of missing) {
    if (!parts.objects.has(digest))
      throw new Error(`${path} changed while it was being saved. Wait for its writer to end.`);
  }
  if (missing.length === 0) return;
  parts.scanner.forget(target); // Links moved the ctimes: let the stat cache have the new ones.
  parts.scanner.scan(target);
}

type FileHere = { path: string; digest: Digest; sizeBytes: number };

/** What the base does not have, where the store has all of the base and collection leaves it; else null. */
function beyond(
  { database, objects }: CacheParts,
  target: string,
  entry: Entry,
  base: Entry | null,
): FileHere[] | null {
  if (base?.kind !== 'folder' || entry.kind !== 'folder') return null;
  if (!objects.leaseFolder(base.digest) || !database.has('stored', base.digest)) return null;
  const found = difference(objects, base.digest, entry.digest, Number.POSITIVE_INFINITY);
  const files = found?.changes.filter(({ path, after }) => after !== null && !path.endsWith('/'));
  return files?.map(({ path, after, sizeBytes }) => ({ path: `${target}/${path}`, digest: after!, sizeBytes })) ?? null;
}

function digestsOf(parts: CacheParts, path: string, entry: Entry): FileHere[] {
  if (entry.kind === 'file') return [{ path, digest: entry.digest, sizeBytes: entry.sizeBytes }];
  const files = filesOf(parts.objects, entry.digest);
  if (!files) throw new Error('internal error: a folder that was just looked at is not in the index');
  return files.map((file) => ({ ...file, path: `${path}/${file.path}` }));
}
