// One `dag run` within the test's process: the real spec, keys, scheduler, publishing and cache, but nodes run by function
// calls, so that thousands of runs take minutes. A kill is imitated: from a given step on nothing more reaches the disk.
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Cache, openCache } from '../../cache/index.ts';
import type { RunEvent, RunSummary } from '../../engine/event.ts';
import type { Executor, Launch } from '../../engine/exec/executor.ts';
import type { Pipeline } from '../../engine/graph/node.ts';
import { topological } from '../../engine/graph/order.ts';
import { select } from '../../engine/graph/select.ts';
import { codeOf } from '../../engine/plan/code.ts';
import { startRun } from '../../engine/run/run.ts';
import { loadPipeline } from '../../engine/spec/load.ts';
import { journalTo } from '../../engine/state/journal.ts';
import { placesOf } from '../../engine/state/places.ts';
import type { NodeRecord } from '../../engine/state/record.ts';
import { combine, readTree, type Spec, writeFile } from './combine.mjs';

export interface RunOrder {
  readonly selectors: readonly string[];
  readonly force: boolean;
  /** The process dies at this step, counted over all steps of publishing and of the nodes. */
  readonly killAt: number | null;
  /** Called when the first node has read its inputs. */
  readonly meanwhile: (() => void) | null;
}

export interface RunStory {
  /** Null where the process died. */
  readonly summary: RunSummary | null;
  /** Node → key, of all that started. */
  readonly started: ReadonlyMap<string, string>;
  /** What was told to be done. */
  readonly done: ReadonlySet<string>;
}

class Killed extends Error {}

export function load(root: string): Pipeline {
  const loaded = loadPipeline({ root, file: path.join(root, 'pipeline.yml') });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error, null, 1));
  return loaded.value;
}

export function open(root: string, onStep?: () => void): Cache {
  return openCache({ dir: placesOf(root).cache, ...(onStep ? { onStep } : {}) });
}

export async function runOnce(root: string, order: RunOrder, runId: string): Promise<RunStory> {
  const pipeline = load(root);
  const life = createLife(order.killAt);
  const cache = life.guard(open(root, life.step));
  const started = new Map<string, string>();
  const done = new Set<string>();
  const listener = (event: RunEvent) => {
    if (life.over()) return;
    if (event.type === 'node-started') started.set(event.node, event.key);
    if (event.type === 'node-done') done.add(event.node);
    journal(event);
  };
  const places = placesOf(root);
  const journal = journalTo(places.journals, runId, { words: ['run'], pid: process.pid, set: [] });
  try {
    const names = new Set(selected(pipeline, order.selectors, false));
    const nodes = topological(pipeline)
      .filter((name) => names.has(name))
      .map((name) => pipeline.nodes.find((node) => node.name === name)!);
    const sources = nodes.flatMap(({ inputs }) =>
      inputs.flatMap((role) => role.sources.filter((one) => !one.producer)),
    );
    await cache.warm(sources.map((one) => path.resolve(root, one.path)));
    const modules = nodes.flatMap(({ action }) => (action.kind === 'module' ? [action.path] : []));
    const codes = new Map(
      [...(await codeOf(root, new Set(modules), cache))].map(([name, code]) => {
        if (!code.ok) throw new Error(code.error);
        return [name, code.value];
      }),
    );
    const run = startRun({
      pipeline,
      nodes,
      forced: new Set(order.force ? selected(pipeline, order.selectors, true) : []),
      cache,
      codes,
      tools: new Map(),
      places,
      runId,
      keepGoing: true,
      listener,
      capacity: async () => ({ cores: 3, memoryBytes: 1e9, gpus: [], pools: {} }),
      createExecutor: (folder) => createExecutor(folder, life, order.meanwhile),
    });
    const { summary } = await Promise.race([run.finished, life.ended]);
    await Promise.race([cache.close(), life.ended]);
    return { summary, started, done };
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    await life.settled();
    // The next process would find the owner of these dead, which this one is not.
    rmSync(path.join(cache.dir, 'tmp'), { recursive: true, force: true });
    return { summary: null, started, done };
  }
}

function selected(pipeline: Pipeline, selectors: readonly string[], only: boolean): string[] {
  const found = select(pipeline, selectors, { only });
  if (!found.ok) throw new Error(found.error.message);
  return found.value;
}

/** A process' life as its effects see it. */
interface Life {
  /** A step that may be the last. */
  step(): void;
  over(): boolean;
  /** Rejects when it ends. */
  readonly ended: Promise<never>;
  /** Nothing gets through to the cache after the end. */
  guard(cache: Cache): Cache;
  /** What was under way at the end has come to rest. */
  settled(): Promise<void>;
}

function createLife(killAt: number | null): Life {
  let steps = 0;
  let dead = false;
  let die: (error: Killed) => void = () => {};
  const ended = new Promise<never>((_, reject) => {
    die = reject;
  });
  ended.catch(() => {});
  const underWay = new Set<Promise<unknown>>();
  const check = () => {
    if (dead) throw new Killed();
  };
  return {
    ended,
    over: () => dead,
    step() {
      check();
      if (steps++ !== killAt) return;
      dead = true;
      die(new Killed());
      check();
    },
    guard: (cache) =>
      new Proxy(cache, {
        get(target, name: keyof Cache) {
          const value = target[name];
          if (typeof value !== 'function') return value;
          return (...args: unknown[]) => {
            check();
            const result = (value as (...args: unknown[]) => unknown)(...args);
            if (!(result instanceof Promise)) return result;
            const tracked: Promise<unknown> = result.finally(() => underWay.delete(tracked));
            tracked.catch(() => {});
            underWay.add(tracked);
            return tracked;
          };
        },
      }),
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay);
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    },
  };
}

/** Runs nodes step by step, so that they overlap and can be cut short. A dead process' nodes never end. */
function createExecutor(root: string, life: Life, meanwhile: RunOrder['meanwhile']): Executor {
  let onFirstRead = meanwhile;
  const pause = async () => {
    await new Promise(setImmediate);
    if (life.over()) await new Promise(() => {});
    life.step();
  };
  const perform = async ({ work }: Launch) => {
    const { spec, label, param, inputs, output, breaks } =
      work.kind === 'shell' ? readCommand(root, work.command) : await readModule(work.job);
    await pause();
    const trees = inputs.map(readTree);
    await pause();
    onFirstRead?.();
    onFirstRead = null;
    for (const [name, text] of Object.entries(combine(spec, label, param, trees))) {
      writeFile(output, name, text);
      await pause();
    }
    return breaks;
  };
  return {
    launch: (options) => ({
      ended: perform(options).then(
        (breaks) => (breaks ? { kind: 'task' as const, cause: 'code' as const, message: 'broken' } : null),
        (error) => {
          // As a killed process: nobody hears of it.
          if (error instanceof Killed) return new Promise<null>(() => {});
          throw error;
        },
      ),
      stop() {},
      kill() {},
    }),
    close() {},
  };
}

interface Job {
  readonly spec: Spec;
  readonly label: string;
  readonly param: number;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly breaks: boolean;
}

function readCommand(root: string, command: string): Job {
  const [, spec, rest] = /'(\{.*?\})' (.*)$/.exec(command)!;
  const words = rest!.replace(/ && exit 3$/, '').split(' ');
  const [label, param, output, ...inputs] = words as [string, string, string, ...string[]];
  return {
    spec: JSON.parse(spec!) as Spec,
    label,
    param: Number(param),
    inputs: inputs.map((one) => path.join(root, one)),
    output: path.join(root, output),
    breaks: command.endsWith('exit 3'),
  };
}

/** The bundle is read and not imported: a process that imported thousands would keep them all. */
async function readModule(job: Extract<Launch['work'], { kind: 'module' }>['job']): Promise<Job> {
  const text = readFileSync(job.bundle, 'utf8');
  const found = /"name": "(t\d+)", "version": (\d+), "lossy": (\w+), "folder": (\w+)/.exec(text);
  if (!found) throw new Error(`${pathToFileURL(job.bundle)} is not a bundle of ours`);
  const [, name, version, lossy, folder] = found as unknown as [string, string, string, string, string];
  return {
    spec: { name, version: Number(version), lossy: lossy === 'true', folder: folder === 'true' },
    label: job.params.k as string,
    param: job.params.p as number,
    inputs: Object.values(job.inputs).flatMap(({ items }) => items.map((item) => item.path)),
    output: job.outputs.o!,
    breaks: text.includes('new Error("broken")'),
  };
}

/** Keys that have a record. */
export async function recordedKeys(root: string): Promise<Map<string, NodeRecord>> {
  const cache = open(root);
  const records = cache.ids('records').map((id) => [id, cache.get('records', id) as NodeRecord] as const);
  await cache.close();
  return new Map(records);
}

/** What lies in the work tree, or null. */
export function treeAt(place: string): Readonly<Record<string, string>> | null {
  try {
    return readTree(place);
  } catch {
    return null;
  }
}
