// What lies at a path now: from the memo of this process, else by stat against the index, else by hashing.
import type { Counters } from './counters.ts';
import type { Database } from './database.ts';
import { digestAt, EXECUTABLE, FOLDER, fileItem, find, RACY, YOUNG } from './listing.ts';
import { freshFile, storeFile } from './manifest.ts';
import { drop, type Folder, type Found, type Memo, newMemo, recall, remember } from './memo.ts';
import { isExecutable, isFolder, isRacy, isRacyOwn, isYoung, type Stat, statOrNull } from './stat.ts';
import { newStatThreads, type StatTable, type StatThreads } from './statThreads.ts';
import { type Hashed, hashFile, type Job, transferAll } from './transfer.ts';
import type { Digest, Entry } from './types.ts';
import { folderId, refuseOddFile, type Walk, type Walking, walkFolder } from './walk.ts';

export interface Looker {
  look(path: string): Entry | null;
  /** As `look`, past the memo: everything is statted again. The memo is left alone. */
  lookAgain(path: string): Entry | null;
  /** Hashes what `look` would have to hash, in parallel and in slices. */
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

export function newLooker(database: Database, counters: Counters): Looker {
  const memo = newMemo();
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
  const walk = (digest: Walk['digest'], useMemo: boolean): Walk => ({
    database,
    counters,
    known: (path) => (useMemo ? knownFolder(memo, path) : null),
    seen: (path, folder) => useMemo && remember(memo, path, { folder }),
    digest,
  });

  const lookAtFile = (path: string, stat: Stat, digest: Walk['digest']): Found | null => {
    const known = freshFile(database, path, stat);
    if (known) return { file: fileEntry(known, stat.size) };
    const found = digest(path, stat);
    if (!found) return null;
    storeFile(database, path, fileItem('', found.stat, found.digest, found.flags));
    return { file: fileEntry(found.digest, found.stat.size) };
  };

  function* discover(path: string, digest: Walk['digest'], useMemo: boolean): Walking<Found | null> {
    const stat = statOrNull(path);
    counters.stats++;
    if (!stat) return 'missing';
    if (!isFolder(stat)) {
      refuseOddFile(path, stat);
      return lookAtFile(path, stat, digest);
    }
    const folder = yield* walkFolder(walk(digest, useMemo), path, [folderId(stat)]);
    return folder && { folder };
  }

  async function warmOne(path: string, jobs: Job[], threads: StatThreads): Promise<void> {
    if (recall(memo, path)) return;
    const later: Walk['digest'] = (inner, stat) => {
      jobs.push({ path: inner, sizeBytes: stat.size, mtimeMs: stat.mtimeMs });
      return null;
    };
    const found = await inSlices(discover(path, later, true), threads);
    if (found) remember(memo, path, found);
  }

  /** Looks at what the stat cache can answer for, and lists the rest. */
  async function collect(paths: readonly string[]): Promise<Job[]> {
    const jobs: Job[] = [];
    const threads = newStatThreads();
    let sliceStart = performance.now();
    try {
      for (const path of paths) {
        await warmOne(path, jobs, threads);
        if (performance.now() - sliceStart < SLICE_MS) continue;
        await new Promise(setImmediate);
        sliceStart = performance.now();
      }
    } finally {
      await threads.close();
    }
    return jobs;
  }

  return {
    look(path) {
      const known = recall(memo, path);
      if (known) return answer(known.found, known.rest);
      const found = atOnce(discover(path, now, true))!;
      remember(memo, path, found);
      return answer(found, []);
    },
    lookAgain: (path) => answer(atOnce(discover(path, now, false))!, []),
    async warm(paths) {
      const jobs = await collect(paths);
      for (const hashed of await transferAll(jobs, counters)) hints.set(folderId(hashed.stat), { hashed, own: false });
    },
    unknown: (path) => collect([path]),
    forget: (path) => drop(memo, path),
    hint: (hashed, own) => hints.set(folderId(hashed.stat), { hashed, own }),
  };
}

function knownFolder(memo: Memo, path: string): Folder | null {
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

async function inSlices<T>(work: Walking<T>, threads: StatThreads): Promise<T> {
  let table: StatTable | undefined;
  for (;;) {
    const step = work.next(table);
    if (step.done) return step.value;
    table = step.value && (await threads.stat(step.value.folder, step.value.names));
    await new Promise(setImmediate);
  }
}
