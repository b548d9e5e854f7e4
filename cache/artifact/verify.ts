// Verification: every stored byte is hashed again, and artifacts in the work tree are compared with what they should be
// by their bytes and not by their stats. What is damaged is set aside, so that no hit can lead to it.
import { readdirSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { isSmall } from '../db/values.ts';
import { type Hashed, type Job, transferAll } from '../hash/files.ts';
import { isTree } from '../hash/merkle.ts';
import { lstatOrNull, statOrNull } from '../host/stat.ts';
import type { Objects, StoredFile } from '../store/objects.ts';
import { filesOf } from '../store/trees.ts';
import type { Digest, Entry } from '../types.ts';
import type { CacheParts } from './parts.ts';

export interface Verification {
  /** Files looked at, in objects/ and in the index. */
  readonly objects: number;
  readonly bytes: number;
  readonly damaged: readonly Damaged[];
}

export interface Damaged {
  readonly digest: Digest;
  /** Where it lay: a path, or `index`. */
  readonly place: string;
}

export interface ArtifactDamage {
  /** Relative to the artifact; empty for a file that is the artifact. */
  readonly path: string;
  readonly found: 'missing' | 'altered' | 'extra';
}

const BATCH = 512;

/** Safe beside builds: a damaged object is moved to damaged/, and whoever needs it runs its node again. */
export async function verifyStore(parts: CacheParts, onProgress: (objects: number) => void): Promise<Verification> {
  const damaged: Damaged[] = [];
  let [objects, bytes] = [0, 0];
  for (const batch of batches(parts.objects.files())) {
    const hashed = await hashEach(parts, batch);
    for (const [at, job] of batch.entries()) {
      if (hashed[at]?.digest !== job.digest) damaged.push({ digest: job.digest, place: job.path });
      bytes += job.sizeBytes;
    }
    objects += batch.length;
    onProgress(objects);
  }
  for (const digest of parts.database.keys('small') as Digest[]) {
    const value = parts.database.read('small', digest);
    if (!value) continue;
    objects++;
    bytes += value.length - 1;
    if (!isSmall(digest, value)) damaged.push({ digest, place: 'index' });
  }
  for (const { digest } of damaged) parts.objects.quarantine(digest);
  const trees = damagedTrees(parts);
  for (const digest of trees) parts.database.write('trees', digest, null);
  forgetIncomplete(parts, lostFrom(parts.objects));
  await parts.database.flush();
  return { objects, bytes, damaged: [...damaged, ...trees.map((digest) => ({ digest, place: 'index' }))] };
}

function* batches(files: Iterable<StoredFile>): Generator<StoredFile[]> {
  let batch: StoredFile[] = [];
  for (const file of files) {
    if (batch.push(file) < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Null for what cannot be read: a disk that gives an error for a file is damage of that file, not of the others. */
async function hashEach(parts: CacheParts, jobs: readonly Job[]): Promise<(Hashed | null)[]> {
  try {
    return await transferAll(jobs, parts.counters);
  } catch {
    const one = (job: Job) =>
      transferAll([job], parts.counters).then(
        ([hashed]) => hashed!,
        () => null,
      );
    const hashed: (Hashed | null)[] = [];
    for (const job of jobs) hashed.push(await one(job));
    return hashed;
  }
}

function damagedTrees({ database }: CacheParts): Digest[] {
  return (database.keys('trees') as Digest[]).filter((digest) => {
    const value = database.read('trees', digest);
    return value !== null && !isTree(digest, value);
  });
}

/** A folder of which a file is lost cannot be restored: its mark goes, so that nobody tries. */
export function forgetIncomplete({ database, objects }: CacheParts, lost: (digest: Digest) => boolean): void {
  for (const folder of database.keys('stored') as Digest[]) {
    const files = filesOf(objects, folder);
    if (!files || files.some(({ digest }) => lost(digest))) database.write('stored', folder, null);
  }
}

function lostFrom(objects: Objects): (digest: Digest) => boolean {
  const known = new Map<Digest, boolean>();
  return (digest) => {
    const lost = known.get(digest) ?? !objects.has(digest);
    known.set(digest, lost);
    return lost;
  };
}

/**
 * How what lies at `path` differs from the entry, by its bytes; null when the entry's own tree is lost. Altered files
 * are touched, so that the stat cache does not go on believing in them.
 */
export async function artifactDamage(parts: CacheParts, entry: Entry, path: string): Promise<ArtifactDamage[] | null> {
  const wanted =
    entry.kind === 'file'
      ? [{ path: '', digest: entry.digest, sizeBytes: entry.sizeBytes }]
      : filesOf(parts.objects, entry.digest);
  if (!wanted) return null;
  const placed = (inner: string) => (inner === '' ? path : join(path, inner));
  const here = wanted.filter((file) => statOrNull(placed(file.path))?.isFile());
  const present = new Set(here);
  const damage: ArtifactDamage[] = wanted
    .filter((file) => !present.has(file))
    .map((file) => ({ path: file.path, found: 'missing' }));
  for (let start = 0; start < here.length; start += BATCH) {
    const batch = here.slice(start, start + BATCH);
    const hashed = await hashEach(
      parts,
      batch.map((file) => ({ path: placed(file.path), sizeBytes: file.sizeBytes })),
    );
    for (const [at, file] of batch.entries()) {
      if (hashed[at]?.digest === file.digest) continue;
      damage.push({ path: file.path, found: 'altered' });
      touch(placed(file.path));
    }
  }
  const extra = entry.kind === 'folder' ? extraFiles(path, new Set(wanted.map((file) => file.path))) : [];
  for (const one of extra) damage.push(one);
  if (damage.length > 0) parts.scanner.forget(path);
  return damage;
}

/** Moves ctime, which nothing else can put back. */
function touch(path: string): void {
  const { atimeMs } = statSync(path);
  utimesSync(path, atimeMs / 1000, Date.now() / 1000);
}

function extraFiles(root: string, wanted: ReadonlySet<string>): ArtifactDamage[] {
  if (!lstatOrNull(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => !wanted.has(name) && statOrNull(join(root, name))?.isFile())
    .map((name) => ({ path: name, found: 'extra' as const }));
}
