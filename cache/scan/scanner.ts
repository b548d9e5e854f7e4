// What lies at a path now: from the memo of this process, else by stat against the index, else by hashing.
import { availableParallelism } from 'node:os';
import type { Database } from '../db/database.ts';
import { type Hashed, hashFile, type Job, transferAll } from '../hash/files.ts';
import { digestAt, EXECUTABLE, FOLDER, fileItem, find, packedFolders, RACY, YOUNG } from '../hash/listing.ts';
import { isExecutable, isFolder, isRacy, isRacyOwn, isYoung, type Stat, statOrNull } from '../host/stat.ts';
import type { Counters, Digest, Entry } from '../types.ts';
import { MANY_FILES, type ParallelStat, type Restatted, startParallelStat, toShared } from './parallelStat.ts';
import { drop, type Folder, type Found, newPathMemo, type PathMemo, recall, remember } from './pathMemo.ts';
import { freshFile, knownFiles, loadPacked, type PackedFolder, storeFile } from './statCache.ts';
import { folderId, refuseOddFile, type Walk, type Walking, walkFolder } from './walk.ts';

/**
 * `written`: the times of a file there say so. A time in the future was given to it (by an archive, say) and says nothing, nor
 * does the ctime of a file with several links: whoever linked it moved that.
 */
export interface Rescan {
  readonly entry: Entry | null;
  readonly written: boolean;
}

export interface Scanner {
  scan(path: string): Entry | null;
  /** As `scan`, past the memo: everything is statted again. The memo is left alone. */
  rescan(path: string, sinceMs: number): Rescan;
  /** Hashes what `scan` would have to hash, in parallel and in slices. */
  warm(paths: readonly string[]): Promise<void>;
  /** The files beneath that the stat cache cannot answer for, with their sizes. */
  unknown(path: string): Promise<Job[]>;
  forget(path: string): void;
  /** A digest that was computed elsewhere. `own`: nobody but us touched the file since (we may have linked or renamed it). */
  hint(hashed: Hashed, own: boolean): void;
}

const SLICE_MS = 10;

interface Digested {
  readonly digest: string;
  readonly flags: number;
  readonly stat: Stat;
}

/** `manyFiles`: from here on known files are asked for on threads. */
export function newScanner(database: Database, counters: Counters, manyFiles = MANY_FILES): Scanner {
  const memo = newPathMemo();
  const hints = new Map<string, { hashed: Hashed; own: boolean }>();

  const fromHint = (stat: Stat): Digested | null => {
    const id = folderId(stat);
    const hint = hints.get(id);
    if (!hint) return null;
    hints.delete(id);
    const { hashed, own } = hint;
    const same = hashed.stat.size === stat.size && hashed.stat.mtimeMs === stat.mtimeMs;
    if (!same || isExecutable(hashed.stat) !== isExecutable(stat)) return null;
    if (!own && hashed.stat.ctimeMs !== stat.ctimeMs) return null;
    const racy = hashed.torn || (own ? isRacyOwn : isRacy)(stat, hashed.hashedAtMs);
    return digested(hashed.digest, stat, racy);
  };
  const now = (path: string, stat: Stat): Digested => {
    const known = fromHint(stat);
    if (known) return known;
    const hashed = hashFile(path, counters);
    return digested(hashed.digest, hashed.stat, hashed.torn || isRacy(hashed.stat, hashed.hashedAtMs));
  };
  const walk = (digest: Walk['digest'], useMemo: boolean, seen: (folder: Folder, path: string) => void): Walk => ({
    database,
    counters,
    known: (path) => (useMemo ? knownFolder(memo, path) : null),
    seen(path, folder) {
      if (useMemo) remember(memo, path, { folder });
      seen(folder, path);
    },
    digest,
  });

  const scanFile = (path: string, stat: Stat, digest: Walk['digest']): Found | null => {
    const known = freshFile(database, path, stat);
    if (known) return { file: fileEntry(known, stat.size) };
    const found = digest(path, stat);
    if (!found) return null;
    storeFile(database, path, fileItem('', found.stat, found.digest, found.flags));
    return { file: fileEntry(found.digest, found.stat.size) };
  };

  function* discover(
    path: string,
    digest: Walk['digest'],
    useMemo: boolean,
    seen: (folder: Folder, path: string) => void = () => {},
  ): Walking<Found | null> {
    const takenMs = Date.now();
    const stat = statOrNull(path);
    counters.stats++;
    if (!stat) return 'missing';
    if (!isFolder(stat)) {
      refuseOddFile(path, stat);
      return scanFile(path, stat, digest);
    }
    const folder = yield* walkFolder(walk(digest, useMemo, seen), path, { stat, takenMs }, [folderId(stat)]);
    return folder && { folder };
  }

  /** Null where it is not worth its threads. */
  function statMany(paths: readonly string[]): ParallelStat | null {
    const unseen = paths.filter((path) => !recall(memo, path));
    const files = unseen.reduce((sum, path) => sum + knownFiles(database, path), 0);
    if (files < manyFiles || availableParallelism() < 2) return null;
    const folders = new Map<string, PackedFolder>();
    const gather = (path: string): void => {
      const packed = loadPacked(database, path, toShared);
      if (!packed || folders.has(path)) return;
      folders.set(path, packed);
      for (const chunk of packed.packed) for (const name of packedFolders(chunk)) gather(`${path}/${name}`);
    };
    for (const path of unseen) gather(path);
    return startParallelStat(folders, database.boot);
  }

  async function visit(paths: readonly string[], digest: Walk['digest'], parallel: ParallelStat | null): Promise<void> {
    let sliceStart = performance.now();
    for (const path of paths) {
      if (recall(memo, path)) continue;
      const found = await inSlices(discover(path, digest, true), parallel);
      if (found) remember(memo, path, found);
      if (performance.now() - sliceStart < SLICE_MS) continue;
      await new Promise(setImmediate);
      sliceStart = performance.now();
    }
  }

  /** Looks at what the stat cache can answer for, and lists the rest. */
  async function collect(paths: readonly string[], parallel: ParallelStat | null): Promise<Job[]> {
    const jobs: Job[] = [];
    const later: Walk['digest'] = (path, stat) => {
      const known = fromHint(stat);
      if (known) return known;
      jobs.push({ path, sizeBytes: stat.size, mtimeMs: stat.mtimeMs });
      return null;
    };
    await visit(paths, later, parallel);
    return jobs;
  }

  async function statting<T>(
    paths: readonly string[],
    work: (parallel: ParallelStat | null) => Promise<T>,
  ): Promise<T> {
    const parallel = statMany(paths);
    return work(parallel).finally(() => parallel?.close());
  }

  return {
    scan(path) {
      const known = recall(memo, path);
      if (known) return answer(known.found, known.rest);
      const found = atOnce(discover(path, now, true))!;
      remember(memo, path, found);
      return answer(found, []);
    },
    rescan(path, sinceMs) {
      let written = false;
      const seen = (folder: Folder, inner: string) => {
        written ||= someWritten(inner, folder, sinceMs);
      };
      const found = atOnce(discover(path, now, false, seen))!;
      const stat = found !== 'missing' && 'file' in found ? statOrNull(path) : null;
      if (stat) written = wasWritten(path, stat, sinceMs);
      return { entry: answer(found, []), written };
    },
    warm: (paths) =>
      statting(paths, async (parallel) => {
        const jobs = await collect(paths, parallel);
        if (jobs.length === 0) return;
        for (const hashed of await transferAll(jobs, counters))
          hints.set(folderId(hashed.stat), { hashed, own: false });
        await visit(paths, now, parallel);
      }),
    unknown: (path) => statting([path], (parallel) => collect([path], parallel)),
    forget: (path) => drop(memo, path),
    hint: (hashed, own) => hints.set(folderId(hashed.stat), { hashed, own }),
  };
}

type Times = Pick<Stat, 'mtimeMs' | 'ctimeMs'>;

/** What is later than now was given; a time within this millisecond is none of those. */
function wasWritten(path: string, { mtimeMs, ctimeMs }: Times, sinceMs: number): boolean {
  const within = (timeMs: number) => timeMs > sinceMs && timeMs < Date.now() + 1;
  return within(mtimeMs) || (within(ctimeMs) && statOrNull(path)?.nlink === 1);
}

/** Of inner folders none is told: they are seen by themselves. */
function someWritten(path: string, { listing }: Folder, sinceMs: number): boolean {
  const { names, stats, flags } = listing;
  const times = (at: number): Times => ({ mtimeMs: stats[at * 5 + 1]!, ctimeMs: stats[at * 5 + 2]! });
  return names.some((name, at) => !(flags[at]! & FOLDER) && wasWritten(`${path}/${name}`, times(at), sinceMs));
}

function knownFolder(memo: PathMemo, path: string): Folder | null {
  const known = recall(memo, path);
  return known && known.rest.length === 0 && known.found !== 'missing' && 'folder' in known.found
    ? known.found.folder
    : null;
}

/** `rest`: what the path says beneath the thing found. */
function answer(found: Found, rest: readonly string[]): Entry | null {
  if (found === 'missing') return null;
  if ('file' in found) return rest.length === 0 ? found.file : null;
  if (rest.length === 0) return found.folder.entry;
  // Inner folders are remembered by themselves: only a file of this folder can be meant.
  const { listing } = found.folder;
  const at = rest.length === 1 ? find(listing, rest[0]!) : -1;
  if (at < 0 || listing.flags[at]! & FOLDER) return null;
  return fileEntry(digestAt(listing, at), listing.stats[at * 5]!);
}

function digested(digest: Digest, stat: Stat, racy: boolean): Digested {
  const young = isYoung(stat, Date.now());
  return { digest, flags: (racy ? RACY : 0) | (young ? YOUNG : 0) | (isExecutable(stat) ? EXECUTABLE : 0), stat };
}

function fileEntry(digest: string, sizeBytes: number): Entry {
  return { kind: 'file', digest: digest as Digest, sizeBytes, files: 1 };
}

function atOnce<T>(work: Walking<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

async function inSlices<T>(work: Walking<T>, parallel: ParallelStat | null): Promise<T> {
  let checked: Restatted | undefined;
  for (;;) {
    const step = work.next(checked);
    if (step.done) return step.value;
    checked = undefined;
    if (step.value !== undefined) checked = await parallel?.of(step.value);
    else await new Promise(setImmediate);
  }
}
