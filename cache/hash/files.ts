// Hashes files, and copies them while hashing: here when they are few, on worker threads when there is enough to do.
// `transferOne` is also the workers' program, sent as text (host/threads.ts has why), so it uses nothing but its arguments.
import crypto from 'node:crypto';
import fs from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { isExecutable, type Stat } from '../host/stat.ts';
import type { Counters, Digest } from '../types.ts';
import { executableDigest } from './digest.ts';

export interface Job {
  readonly path: string;
  /** What workers are worth is judged by it. */
  readonly sizeBytes: number;
  readonly mtimeMs?: number;
  /** A file of up to this size is not copied: its bytes come back with the result. */
  readonly keepBytes?: number;
  /** A new file to copy the bytes to, with this mode; reflink shares the blocks and then hashes the clone. */
  readonly copy?: { readonly to: string; readonly mode: number; readonly reflink: boolean };
}

/** `digest` counts the executable bit; the stat is of the very file that was read, taken when its last byte was. */
export interface Hashed {
  readonly digest: Digest;
  readonly stat: Stat;
  /** The clock before the file was opened. */
  readonly hashedAtMs: number;
  /** The stat before reading was another: somebody wrote meanwhile. */
  readonly torn: boolean;
  /** The content, when it was to be kept. */
  readonly bytes: Uint8Array | null;
}

interface Raw {
  readonly hex: string;
  readonly stat: Stat;
  readonly hashedAtMs: number;
  readonly torn: boolean;
  readonly bytes: Uint8Array | null;
}

type Failure = { readonly error: { readonly message: string; readonly code: string | undefined } };

/** Below these, starting threads (30 ms each) costs more than it saves. */
const WORTH_BYTES = 128 * 2 ** 20;
const WORTH_FILES = 4000;
const BATCH_FILES = 64;
const SLICE_MS = 10;

/** Hashes one file now. Throws what `fs` throws. */
export function hashFile(path: string, counters: Counters): Hashed {
  return finish(transferOne(fs, crypto, { path, sizeBytes: 0 }), counters);
}

/** Results in the order of the jobs. A file that vanished or cannot be read rejects with its path in the message. */
export async function transferAll(jobs: readonly Job[], counters: Counters): Promise<Hashed[]> {
  const bytes = jobs.reduce((sum, job) => sum + job.sizeBytes, 0);
  const worth = bytes > WORTH_BYTES || jobs.length > WORTH_FILES;
  const raw = worth && availableParallelism() > 1 && jobs.length > 1 ? await onThreads(jobs) : await here(jobs);
  return raw.map((one) => finish(one, counters));
}

function finish(raw: Raw, counters: Counters): Hashed {
  counters.hashes++;
  counters.hashedBytes += raw.stat.size;
  const { stat, hashedAtMs, torn, bytes } = raw;
  const digest = isExecutable(stat) ? executableDigest(raw.hex as Digest) : (raw.hex as Digest);
  return { digest, stat, hashedAtMs, torn, bytes };
}

async function here(jobs: readonly Job[]): Promise<Raw[]> {
  const results: Raw[] = [];
  let sliceStart = performance.now();
  for (const job of jobs) {
    results.push(transferOne(fs, crypto, job));
    if (performance.now() - sliceStart < SLICE_MS) continue;
    await new Promise(setImmediate);
    sliceStart = performance.now();
  }
  return results;
}

async function onThreads(jobs: readonly Job[]): Promise<Raw[]> {
  const results = new Array<Raw>(jobs.length);
  const threads = Math.min(availableParallelism(), 8, Math.ceil(jobs.length / 2));
  let next = 0;
  const runOne = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(program(), { eval: true });
      let first = 0;
      const feed = () => {
        first = next;
        next = endOfBatch(jobs, first);
        if (first === next) void worker.terminate().then(() => resolve());
        else worker.postMessage(jobs.slice(first, next));
      };
      worker.on('message', (batch: (Raw | Failure)[]) => {
        const failed = batch.find((one): one is Failure => 'error' in one);
        if (failed) {
          next = jobs.length;
          void worker.terminate();
          return reject(Object.assign(new Error(failed.error.message), { code: failed.error.code }));
        }
        for (let at = 0; at < batch.length; at++) results[first + at] = batch[at] as Raw;
        feed();
      });
      worker.on('error', reject);
      feed();
    });
  await Promise.all(Array.from({ length: threads }, runOne));
  return results;
}

function endOfBatch(jobs: readonly Job[], start: number): number {
  let bytes = 0;
  let end = start;
  while (end < jobs.length && end - start < BATCH_FILES && bytes < 16 * 2 ** 20) bytes += jobs[end++]!.sizeBytes;
  return end;
}

function program(): string {
  return `const { parentPort } = require('node:worker_threads');
const fs = require('node:fs'), crypto = require('node:crypto');
const transferOne = ${transferOne.toString()};
parentPort.on('message', (jobs) => parentPort.postMessage(jobs.map((job) => {
  try { return transferOne(fs, crypto, job); }
  catch (error) { return { error: { message: error.message, code: error.code } }; }
})));`;
}

function transferOne(files: typeof fs, hashing: typeof crypto, job: Job): Raw {
  const hashedAtMs = Date.now();
  const { copy } = job;
  const source = files.openSync(job.path, 'r');
  let from = source;
  let to = -1;
  try {
    const before = files.fstatSync(source);
    const keep = job.keepBytes !== undefined && before.size <= job.keepBytes;
    if (keep) {
      // Nothing to prepare.
    } else if (copy?.reflink) {
      files.copyFileSync(job.path, copy.to, files.constants.COPYFILE_FICLONE_FORCE);
      files.chmodSync(copy.to, copy.mode);
      from = files.openSync(copy.to, 'r');
    } else if (copy) to = files.openSync(copy.to, 'wx', copy.mode);
    const sum = hashing.createHash('sha256');
    const buffer = Buffer.allocUnsafe(Math.max(4096, Math.min(before.size + 1, 1 << 20)));
    let total = 0;
    for (;;) {
      const count = files.readSync(from, buffer, 0, buffer.length, null);
      if (count === 0) break;
      total += count;
      sum.update(buffer.subarray(0, count));
      for (let done = 0; to >= 0 && done < count; ) done += files.writeSync(to, buffer, done, count - done);
    }
    const { size, mtimeMs, ctimeMs, ino, dev, mode } = files.fstatSync(source);
    const torn = before.size !== size || before.mtimeMs !== mtimeMs || before.ctimeMs !== ctimeMs;
    const stat = { size, mtimeMs, ctimeMs, ino, dev, mode };
    // One read filled the buffer when the size held; when it did not, the file is torn and nobody uses the bytes.
    const bytes = keep ? Uint8Array.prototype.slice.call(buffer, 0, total) : null;
    return { hex: sum.digest('hex'), stat, hashedAtMs, torn: torn || total !== size, bytes };
  } finally {
    if (from !== source) files.closeSync(from);
    if (to >= 0) files.closeSync(to);
    files.closeSync(source);
  }
}
