// `ctx.each`: increments inside a node. Of many items it does those that are new or changed, and takes the others from earlier
// runs of the node, under whatever key. How that is kept true:
//  - An item is what its fingerprint says: its own data, the files it writes, and role, path and content digest of every file
//    it reads. These are the digests that the node's key was made of: no input is read for them. With code, environment, worker
//    and `params` (the generation, each/memory.ts) that is all its result depends on.
//  - Finished items are kept a batch at a time: first their files, in a folder that outlives the process, then an entry with
//    the files' digests. No entry is trusted for being there: a file is kept where the node's last artifact has it with
//    that digest (the engine restores what was tampered with), or where it lies in the folder of unfinished work and hashes to it;
//    a result carries a checksum. Else the item is done again.
//  - An input may change between the engine's look and the worker's read. The engine finds out at the end and fails the node.
//    Entries of such a run, as of one that was killed, count only while the inputs have the stats they had then.
//  - Outputs are not copied: the engine patches the last artifact (engine/run/publishEach.ts), so that ten new files among
//    750,000 cost ten files and a walk.
// Turned down: a folder of hard links (unsafe for root, and each link moves a ctime, so that all would be hashed again); the
// store item by item (a sync each); a manifest of the inputs made by the engine (75 MB for 750,000 files, where the process
// can read the tree in the index itself).

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  acquireLock,
  type Cache,
  hashValue,
  type Json,
  type Lock,
  openCache,
  sha256,
} from '../../../../cache/index.ts';
import { own } from '../../../model/own.ts';
import type { EachOptions, EachResults, TaskContext } from '../../../task.ts';
import type { EachJob, EachMessage, ModuleJob } from '../../protocol.ts';
import type { Rest } from '../rest.ts';
import { type Call, readCall } from './call.ts';
import { createInputs } from './inputs.ts';
import { createDoer, type ItemDone, type ItemSetup, type Worker } from './item.ts';
import { type EachMemory, openMemory } from './memory.ts';
import { type EachPlan, planEach, workFolder } from './plan.ts';
import { doItems } from './pool.ts';

export interface EachContext {
  readonly job: Pick<ModuleJob, 'bundle' | 'env' | 'inputs' | 'outputs' | 'cores' | 'each'>;
  /** The task's module: the worker is one of its exports. */
  readonly module: Readonly<Record<string, unknown>>;
  /** A file that calls `serveItems` when it is started as a worker thread. */
  readonly program: string;
  readonly signal: AbortSignal;
  readonly rest: Rest;
  log(message: string): void;
  warn(message: string): void;
  progress(done: number, total: number, unit: string): void;
  /** Resolves when the cache's index, as another process reads it, has what the engine knows of the node's inputs. */
  whenIndexed(): Promise<void>;
  /** Variables of the environment that the task's code read in a thread. */
  hearVariables(names: readonly string[]): void;
  /** Tells the engine what to make of the outputs. */
  tell(message: EachMessage): void;
}

export interface Each {
  readonly each: TaskContext<unknown>['each'];
  /** For the end of the task: results cannot be read after it. */
  close(): Promise<void>;
}

/** Of fingerprints and entries; another one makes all that is remembered worthless. */
const FORMAT = 1;

export function createEach(context: EachContext): Each {
  const memories: EachMemory[] = [];
  const taken = new Set<string>();
  let lock: Promise<Lock> | null = null;
  const each = async (
    items: readonly unknown[],
    options: EachOptions<unknown, unknown>,
    worker: Worker,
  ): Promise<EachResults<unknown>> => {
    const call = readCall(context.module, items, options, worker);
    for (const name of [`worker ${call.exportedAs}`, ...call.outputs.map((output) => `output ${output}`)]) {
      if (taken.has(name)) throw new Error(`ctx.each is called twice with the same ${name}; give each call its own`);
      taken.add(name);
    }
    if (!context.job.each) return forget(context, call);
    lock ??= lockNode(context, context.job.each);
    await lock;
    return remember(context, context.job.each, call, memories);
  };
  return {
    each: each as TaskContext<unknown>['each'],
    async close() {
      await Promise.all(memories.map((memory) => memory.close()));
      (await lock)?.release();
    },
  };
}

/** Where an engine was killed, its node's process ends with the item it is busy with: until then it writes where we would. */
function lockNode({ log, signal }: EachContext, { folder }: EachJob): Promise<Lock> {
  const onWait = ({ pid }: { pid: number }) => log(`waiting for process ${pid}, which a killed run left, to end`);
  return acquireLock(path.join(folder, 'lock'), { onWait, signal });
}

/** Everything anew, straight into the outputs: for a node that is run apart from the others, to be compared. */
async function forget(context: EachContext, call: Call): Promise<EachResults<unknown>> {
  const outputs: Record<string, string> = {};
  for (const name of call.outputs) {
    outputs[name] = outputOf(context, name);
    mkdirSync(outputs[name], { recursive: true });
  }
  const all = { todo: [...call.items.keys()], unfinished: new Map() };
  const results: string[] = [];
  await perform(context, call, outputs, all, ({ index, result }) => (results[index] = result!));
  return { changed: results.length, removed: 0, [Symbol.iterator]: () => iterate(results, JSON.parse) };
}

async function remember(
  context: EachContext,
  each: EachJob,
  call: Call,
  memories: EachMemory[],
): Promise<EachResults<unknown>> {
  const memory = openMemory(each.folder, call.exportedAs, generationOf(each, call), each.anew);
  memories.push(memory);
  const outputs: Record<string, string> = {};
  for (const name of call.outputs) {
    outputs[name] = workFolder(memory, name);
    mkdirSync(outputs[name], { recursive: true });
  }
  await context.whenIndexed();
  const cache = openCache({ dir: each.cache });
  const { plan, fingerprints } = await makePlan(context, each, call, memory, cache).finally(() => cache.close());

  const removed = memory.count() > plan.known ? memory.keepOnly(call.keys) : 0;
  context.log(summary(call, plan, removed));
  let damaged = 0;
  const finish = ({ index, result, digests, stamp }: ItemDone) => {
    if (result === null) return;
    if (plan.unfinished.has(index)) damaged++;
    memory.put(call.keys[index]!, { fingerprint: fingerprints[index]!, stamp, digests, result });
  };
  // What was done before an item failed is kept as well.
  await perform(context, call, outputs, plan, finish).finally(() => memory.settle());
  if (damaged > 0) context.log(`${grouped(damaged)} of those were not as they had been left, and are done again`);
  context.tell({
    type: 'each',
    folder: memory.folder,
    outputs: call.outputs.map((name) => change(context, call, plan, memory, name)),
  });
  const resultOf = (key: string) => JSON.parse(memory.find(key)!.result()) as unknown;
  return {
    changed: plan.todo.length - plan.unfinished.size + damaged,
    removed,
    [Symbol.iterator]: () => iterate(call.keys, resultOf),
  };
}

async function makePlan(
  { job }: EachContext,
  each: EachJob,
  call: Call,
  memory: EachMemory,
  cache: Cache,
): Promise<{ plan: EachPlan; fingerprints: string[] }> {
  const digests = createInputs(job.inputs, each.entries, cache);
  const fingerprints = call.keys.map((_, at) =>
    // JSON of one list of strings, data and lists: two different items never give the same text.
    sha256(
      JSON.stringify([
        call.items[at],
        call.files[at]!.map((file) => [file.output, file.path]),
        call.inputs(at).map(digests.of),
      ]),
    ),
  );
  return { plan: await planEach(call, fingerprints, memory, each, cache), fingerprints };
}

function generationOf({ code }: EachJob, { exportedAs, params, outputs }: Call): string {
  return hashValue({ format: FORMAT, code, exportedAs, params: (params ?? null) as Json, outputs });
}

async function perform(
  context: EachContext,
  call: Call,
  outputs: Readonly<Record<string, string>>,
  { todo, unfinished }: Pick<EachPlan, 'todo' | 'unfinished'>,
  finish: (done: ItemDone) => void,
): Promise<void> {
  const inputs: Record<string, string> = {};
  for (const [name, { many, items }] of Object.entries(context.job.inputs))
    if (!many && items[0]) inputs[name] = items[0].path;
  const { exportedAs, params } = call;
  const { bundle, env } = context.job;
  const setup: ItemSetup = { bundle, env, exportedAs, params, inputs, outputs };
  let done = 0;
  context.progress(0, todo.length, call.unit);
  await doItems({
    setup,
    here: createDoer(setup, call.worker, context),
    rest: context.rest,
    warn: context.warn,
    program: context.program,
    cores: context.job.cores,
    signal: context.signal,
    count: todo.length,
    hearVariables: context.hearVariables,
    task(at) {
      const index = todo[at]!;
      const expected = unfinished.get(index) ?? null;
      return {
        index,
        key: call.keys[index]!,
        item: call.items[index],
        inputs: call.inputs(index),
        files: call.files[index]!,
        expected,
      };
    },
    take(batch) {
      batch.forEach(finish);
      done += batch.length;
      context.progress(done, todo.length, call.unit);
    },
  });
}

/** What an output is: the files in the folder of work, and those of its base but for the ones that are in the list `removed`. */
function change(
  context: EachContext,
  call: Call,
  plan: EachPlan,
  memory: EachMemory,
  name: string,
): EachMessage['outputs'][number] {
  const written = outputOf(context, name);
  if (existsSync(written)) throw new Error(`output "${name}" is made by ctx.each, and the task wrote to it besides`);
  const folder = workFolder(memory, name);
  const base = plan.bases.get(name);
  if (!base) return { name, folder, base: null, removed: null };
  const wanted = new Set(
    call.files.flatMap((files) => files.filter(({ output }) => output === name).map((file) => file.path)),
  );
  const removed = path.join(memory.folder, `removed-${name}.json`);
  writeFileSync(removed, JSON.stringify([...base.files.keys()].filter((file) => !wanted.has(file))));
  return { name, folder, base: base.entry, removed };
}

function outputOf({ job }: EachContext, name: string): string {
  const place = own(job.outputs, name);
  if (place === undefined)
    throw new Error(`ctx.each writes output "${name}", which the task's \`out:\` in pipeline.yml does not declare`);
  return place;
}

function summary(call: Call, { todo, unfinished }: EachPlan, removed: number): string {
  const parts = [
    `${grouped(todo.length - unfinished.size)} of ${grouped(call.items.length)} ${call.unit} are new or changed`,
  ];
  if (unfinished.size > 0) parts.push(`${grouped(unfinished.size)} were finished by a run that did not end`);
  if (removed > 0) parts.push(`${grouped(removed)} are gone`);
  return parts.join(', ');
}

const grouped = (value: number) => value.toLocaleString('en-US');

function* iterate<From, To>(list: readonly From[], read: (from: From) => To): Generator<To> {
  for (const one of list) yield read(one);
}
