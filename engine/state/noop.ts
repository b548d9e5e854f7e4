// The run that has nothing to do, told by stats alone. A run that found every node fresh leaves behind what it looked at: the
// stats of pipeline.yml, of the code, of all inputs and outputs (files, folders and what is in them) and of the cache's
// index. A later run of the same request for which every one of these is the same gives the same answer, without reading
// the pipeline, the index or a key. Sound on these conditions, beside those of cache/host/stat.ts:
//  - An answer is left only when all times are older than the start of its run, less a tick of the clock: then nothing
//    changed between the look and the stat, and any later write moves a time.
//  - A folder whose times are the same has the same names in it, and its files are statted one by one.
//  - The index is among the files: who drops a record, or quarantines a stored file, changes it.
//  - It holds until the next boot (a power cut can leave new times with old bytes), for the same build of the product, the
//    same environment variables that nodes declare or name, and never where a node declares tools, whose versions must be asked.
//  - It is not used while another run holds the project's lock, nor with --force.
//
// The file: u32 length of a JSON head, u32 nothing, the head with spaces up to a multiple of eight, then the stats (`statBlock.ts`).

import { createHash } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { bootId, lastOwner, writeAtomically } from '../../cache/host/index.ts';
import type { RunSummary } from '../model/event.ts';
import type { Node, Source } from '../model/node.ts';
import { mayCount, variable } from '../model/variables.ts';
import type { Places } from './places.ts';
import { packStats, statsHold } from './statBlock.ts';

/** What was asked: one answer a request. */
export interface NoopRequest {
  /** Absolute path of the pipeline's file. */
  readonly file: string;
  readonly profile: string | null;
  readonly set: readonly string[];
  readonly selectors: readonly string[];
  readonly only: boolean;
}

interface Head {
  readonly build: string;
  readonly boot: string;
  readonly summary: RunSummary;
  /** Name → digest of its value, or null. */
  readonly environment: Readonly<Record<string, string | null>>;
}

const TICK_MS = 20;
const COARSE_TICK_MS = 2000;
const PREFIX = 8;
/** Beyond this, walking the folders with the stat cache is the better way. */
const MOST_IN_FOLDERS = 2_000_000;
const KEPT_ANSWERS = 8;

/** The summary of the run that this one would repeat, or null. */
export function recallNoop(places: Places, request: NoopRequest): RunSummary | null {
  const bytes = readOrNull(answerFile(places, request));
  if (!bytes || isLocked(places.lock)) return null;
  const headEnd = PREFIX + (bytes.length < PREFIX ? 0 : bytes.readUInt32LE(0));
  const head = headOf(bytes.toString('utf8', PREFIX, headEnd));
  if (!head || head.build !== buildId() || head.boot !== bootId()) return null;
  for (const [name, digest] of Object.entries(head.environment)) if (digestOf(variable(name)) !== digest) return null;
  const memory = bytes.buffer as unknown as SharedArrayBuffer;
  return statsHold(memory, headEnd, path.dirname(request.file)) ? head.summary : null;
}

/** Null for one that is torn: a power cut may leave it so. */
function headOf(text: string): Head | null {
  try {
    return JSON.parse(text) as Head;
  } catch {
    return null;
  }
}

export interface NoopAnswer {
  /** Of the run: before it looked at anything. Milliseconds since 1970. */
  readonly startedMs: number;
  readonly summary: RunSummary;
  readonly nodes: readonly Node[];
  /** What code digests were made of, and the cache's index; relative to the root, or absolute. Of `FOLDER/.` only its own stat. */
  readonly files: readonly string[];
}

/** Leaves the answer of a run in which every node was fresh, if it can be trusted. To be called with the cache closed. */
export function rememberNoop(places: Places, request: NoopRequest, answer: NoopAnswer): void {
  const { nodes, summary } = answer;
  if (nodes.some(({ tools }) => Object.keys(tools).length > 0)) return;
  const root = path.dirname(request.file);
  const found = statAll(root, pathsOf(request, answer), answer.startedMs);
  if (!found) return;
  const names = new Set(nodes.flatMap(mayCount));
  const environment = Object.fromEntries([...names].map((name) => [name, digestOf(variable(name))]));
  const head: Head = { build: buildId(), boot: bootId(), summary, environment };
  const text = Buffer.from(JSON.stringify(head));
  const padded = Buffer.concat([text, Buffer.alloc(-text.length & 7, ' ')]);
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32LE(padded.length);
  const file = answerFile(places, request);
  mkdirSync(path.dirname(file), { recursive: true });
  writeAtomically(file, Buffer.concat([prefix, padded, found]));
  dropOldest(path.dirname(file));
}

function pathsOf(request: NoopRequest, { nodes, files }: NoopAnswer): Set<string> {
  const paths = new Set<string>([request.file, ...files]);
  const answered = new Set(nodes.map(({ name }) => name));
  // With --only, what an unselected node made is read as it lies there.
  const isSource = ({ producer }: Source) => !producer || !answered.has(producer.node);
  for (const { inputs, outputs } of nodes) {
    for (const { sources } of inputs) for (const source of sources) if (isSource(source)) paths.add(source.path);
    for (const output of outputs) paths.add(output.path);
  }
  return paths;
}

/** Null when something is too young to be sure of, or there is too much. */
function statAll(root: string, wanted: Iterable<string>, startedMs: number): Buffer | null {
  const paths: string[] = [];
  const stats: (Stats | null)[] = [];
  let inFolders = 0;
  const visit = (name: string): boolean => {
    const place = path.isAbsolute(name) ? name : `${root}/${name}`;
    const stat = statSync(place, { throwIfNoEntry: false }) ?? null;
    paths.push(name);
    stats.push(stat);
    if (!stat) return true;
    const { mtimeMs, ctimeMs } = stat;
    const tickMs = ctimeMs % 1000 === 0 && mtimeMs % 1000 === 0 ? COARSE_TICK_MS : TICK_MS;
    if (ctimeMs >= startedMs - tickMs) return false;
    if (!stat.isDirectory() || name.endsWith('/.')) return true;
    const inner = readdirSync(place);
    inFolders += inner.length;
    return inFolders <= MOST_IN_FOLDERS && inner.every((one) => visit(`${name}/${one}`));
  };
  for (const name of wanted) if (!visit(name)) return null;
  return packStats(paths, stats);
}

function answerFile(places: Places, request: NoopRequest): string {
  const id = createHash('sha256')
    .update(JSON.stringify([request, places.cache]))
    .digest('hex')
    .slice(0, 24);
  return path.join(places.state, 'quiet', id); // As the folder was called first.
}

function dropOldest(folder: string): void {
  const files = readdirSync(folder).map((name) => path.join(folder, name));
  if (files.length <= KEPT_ANSWERS) return;
  const byAge = files.map((file) => ({ file, ms: statSync(file).mtimeMs })).sort((a, b) => b.ms - a.ms);
  for (const { file } of byAge.slice(KEPT_ANSWERS)) rmSync(file, { force: true });
}

/** Another run may be about to change something: then the long way, which waits for it. */
function isLocked(lock: string): boolean {
  try {
    return lastOwner(lock) !== null;
  } catch {
    return true;
  }
}

/** Into memory that threads can share. */
function readOrNull(file: string): Buffer | null {
  let opened: number | null = null;
  try {
    opened = openSync(file, 'r');
    const bytes = Buffer.from(new SharedArrayBuffer(fstatSync(opened).size));
    return readSync(opened, bytes, 0, bytes.length, 0) === bytes.length ? bytes : null;
  } catch {
    return null;
  } finally {
    if (opened !== null) closeSync(opened);
  }
}

function digestOf(value: string | null): string | null {
  return value === null ? null : createHash('sha256').update(value).digest('hex');
}

/** Another build of the product may see things otherwise. */
function buildId(): string {
  const program = process.argv[1];
  const stat = program === undefined ? undefined : statSync(program, { throwIfNoEntry: false });
  return `${process.version} ${stat?.size} ${stat?.mtimeMs} ${stat?.ino}`;
}
