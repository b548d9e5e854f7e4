// Makes a path be an entry again, out of the store: only what differs is touched, and every byte is hashed on its way.
import { linkSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { smallDigest } from '../db/values.ts';
import { StoreDamage } from '../errors.ts';
import { type Hashed, type Job, transferAll } from '../hash/files.ts';
import { neighbour } from '../host/atomic.ts';
import { chooseLink, type Link } from '../host/link.ts';
import { throughLink } from '../host/replace.ts';
import { deviceOf, isExecutable, lstatOrNull, statOrNull } from '../host/stat.ts';
import type { Content } from '../store/contentStore.ts';
import { linesOf } from '../store/trees.ts';
import type { Digest, Entry } from '../types.ts';
import type { CacheParts } from './parts.ts';

interface Need {
  readonly digest: Digest;
  readonly path: string;
  readonly sizeBytes: number;
}

/** Throws `StoreDamage` where an object is missing or altered; what was restored by then stays. */
export async function restoreArtifact(parts: CacheParts, entry: Entry, path: string): Promise<void> {
  const { scanner } = parts;
  scanner.forget(path);
  const target = throughLink(path);
  await prepare(parts, target);
  const needs: Need[] = [];
  mkdirSync(dirname(target), { recursive: true });
  try {
    if (entry.kind === 'folder') planFolder(parts, entry.digest, target, needs);
    else planFile(parts, entry, target, needs);
    await fetchAll(parts, needs).catch((error) => {
      // A commit moved an object from its temporary place into the store meanwhile: it is found there.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return fetchAll(parts, needs);
    });
  } catch (error) {
    if (error instanceof StoreDamage) forgetWhole(parts, entry.digest);
    throw error;
  } finally {
    scanner.forget(target);
    scanner.forget(path);
  }
}

function forgetWhole(parts: CacheParts, digest: Digest): void {
  parts.whole.delete(digest);
  parts.database.write('stored', digest, null);
}

/** Looks at what lies there. What cannot be looked at (a dangling link, a socket) cannot be what we want: it goes. */
async function prepare(parts: CacheParts, target: string): Promise<void> {
  parts.scanner.forget(target);
  try {
    await parts.scanner.warm([target]);
    parts.scanner.scan(target);
  } catch {
    remove(parts, target);
  }
}

function planFile(parts: CacheParts, file: { digest: Digest; sizeBytes: number }, path: string, needs: Need[]): void {
  const here = parts.scanner.scan(path);
  if (here?.kind === 'file' && here.digest === file.digest) return;
  if (here?.kind === 'folder') parts.objects.removeLater(path);
  needs.push({ digest: file.digest, path, sizeBytes: file.sizeBytes });
}

/** Makes the folders, removes what is not in them, and lists the files that must come. */
function planFolder(parts: CacheParts, digest: Digest, path: string, needs: Need[]): void {
  const lines = linesOf(parts.objects, digest);
  if (!lines) throw new StoreDamage(digest, `tree ${digest}`, 'missing');
  const here = parts.scanner.scan(path);
  if (here?.kind === 'folder' && here.digest === digest) return;
  makeFolder(parts, path);
  const wanted = new Set(lines.map((line) => line.name));
  for (const name of readdirSync(path)) if (!wanted.has(name)) remove(parts, `${path}/${name}`);
  for (const line of lines) {
    const inner = `${path}/${line.name}`;
    if (line.folder) planFolder(parts, line.digest, inner, needs);
    else planFile(parts, line, inner, needs);
  }
}

/** An inner link to a folder is replaced, not written through: what it points to is somebody else's. */
function makeFolder(parts: CacheParts, path: string): void {
  const here = lstatOrNull(path);
  if (here?.isDirectory()) return;
  if (here) remove(parts, path);
  mkdirSync(path, { recursive: true });
}

function remove(parts: CacheParts, path: string): void {
  if (lstatOrNull(path)?.isDirectory()) parts.objects.removeLater(path);
  else rmSync(path, { force: true });
  parts.scanner.forget(path);
}

async function fetchAll(parts: CacheParts, needs: readonly Need[]): Promise<void> {
  if (needs.length === 0) return;
  const near = deviceOf(needs[0]!.path) === deviceOf(parts.objects.temporary());
  const temporary = (need: Need) => (near ? parts.objects.temporary() : neighbour(need.path));
  const large: { need: Need; object: string }[] = [];
  for (const need of needs) {
    const place = parts.objects.read(need.digest);
    if (!place) throw new StoreDamage(need.digest, need.digest, 'missing');
    if (place.path === null) writeSmall(parts, need, place, temporary(need));
    else large.push({ need, object: place.path });
  }
  if (large.length === 0) return;
  const link = chooseLink(parts.link, large[0]!.need.path, parts.objects.temporary);
  const jobs = large.map(({ need, object }) => jobFor(need, object, link, temporary(need)));
  const hashed = await transferAll(jobs, parts.counters);
  for (const [at, { need }] of large.entries()) putInPlace(parts, need, jobs[at]!, hashed[at]!, temporary(need));
}

function writeSmall(parts: CacheParts, need: Need, small: Content & { path: null }, temporary: string): void {
  const hashedAtMs = Date.now();
  const digest = smallDigest(small);
  if (digest !== need.digest) throw damaged(parts, need, 'in the index');
  writeFileSync(temporary, small.bytes, { mode: small.executable ? 0o777 : 0o666, flag: 'wx' });
  backdate(temporary);
  parts.scanner.hint({ digest, stat: statSync(temporary), hashedAtMs, torn: false, bytes: null }, true);
  renameSync(temporary, need.path);
}

function damaged(parts: CacheParts, need: Need, path: string): StoreDamage {
  parts.objects.quarantine(need.digest);
  return new StoreDamage(need.digest, path, 'altered');
}

function jobFor(need: Need, object: string, link: Link, temporary: string): Job {
  const job = { path: object, sizeBytes: need.sizeBytes };
  if (link === 'hardlink') return job;
  const stat = statOrNull(object);
  const mode = stat && isExecutable(stat) ? 0o777 : 0o666;
  return { ...job, copy: { to: temporary, mode, reflink: link === 'reflink' } };
}

function putInPlace(parts: CacheParts, need: Need, job: Job, hashed: Hashed, spare: string): void {
  if (hashed.digest !== need.digest) {
    if (job.copy) rmSync(job.copy.to, { force: true });
    throw damaged(parts, need, job.path);
  }
  const temporary = job.copy?.to ?? spare;
  if (job.copy) backdate(temporary);
  else linkSync(job.path, temporary);
  parts.scanner.hint({ ...hashed, stat: statSync(temporary) }, true);
  renameSync(temporary, need.path);
  rmSync(temporary, { force: true });
}

/** A second ago: any write from now on moves the mtime, so the file need not be hashed again next time. */
function backdate(path: string): void {
  const when = Date.now() / 1000 - 1;
  utimesSync(path, when, when);
}
