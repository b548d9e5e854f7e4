// Runs one task module without the engine: bundled by esbuild as the engine bundles it, then called with a context
// made of plain paths. The bundle lies in node_modules/.cache, so that packages resolve and worker threads find it.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { createEach } from '../../engine/exec/child/each/each.ts';
import type { Rest } from '../../engine/exec/child/rest.ts';
import type { Artifact, Task, TaskContext } from '../../engine/task.ts';

/** The folder that holds pipeline.yml, also where this file was bundled into another one. */
export const projectRoot = rootAbove(dirname(fileURLToPath(import.meta.url)));

function rootAbove(folder: string): string {
  return existsSync(join(folder, 'pipeline.yml')) ? folder : rootAbove(dirname(folder));
}

export interface TaskRun {
  readonly params?: unknown;
  readonly in?: Readonly<Record<string, string | readonly Artifact[]>>;
  readonly out: Readonly<Record<string, string>>;
  readonly cores?: number;
  readonly scratch?: string;
  readonly signal?: AbortSignal;
}

export interface TaskResult {
  readonly warnings: string[];
  readonly logs: string[];
  readonly metrics: { name: string; value: number; step?: number }[];
}

/** Runs the default export of `entry` (relative to the project's root); rejects with what the task throws. */
export async function runTask(entry: string, options: TaskRun): Promise<TaskResult> {
  const { task, module, bundle } = await loadModule(entry);
  const result: TaskResult = { warnings: [], logs: [], metrics: [] };
  const raw = options.params ?? {};
  const params = task.params ? task.params.parse(raw) : raw;
  for (const path of Object.values(options.out)) mkdirSync(dirname(path), { recursive: true });
  const scratch = options.scratch ?? (await mkdtemp(join(tmpdir(), 'dag-scratch-')));
  const context = { ...makeContext(params, scratch, options, result), bundle };
  await task.run({ ...context, each: eachOf({ task, module, bundle }, context, options) });
  return result;
}

interface Loaded {
  readonly task: Task<unknown>;
  readonly module: Readonly<Record<string, unknown>>;
  readonly bundle: string;
}

const loaded = new Map<string, Promise<Loaded>>();

/** The task of a module; bundled once a process. */
export async function loadTask(entry: string): Promise<Task<unknown>> {
  return (await loadModule(entry)).task;
}

function loadModule(entry: string): Promise<Loaded> {
  const known = loaded.get(entry) ?? importTask(entry);
  loaded.set(entry, known);
  return known;
}

async function importTask(entry: string): Promise<Loaded> {
  const file = await bundle(isAbsolute(entry) ? entry : join(projectRoot, entry));
  const module = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { default: Task<unknown> };
  return { task: module.default, module: { ...module }, bundle: file };
}

type Context = Omit<TaskContext<unknown>, 'each' | 'bundle'>;

/** Of a test's own thread nobody can say when it is at rest: an item is over when it has settled. */
export const unwatched: Rest = {
  item: async (work) => await work(),
  hasWaited: () => false,
  isCrowded: async () => false,
  hold: (coming) => coming,
};

/** The engine's own `each`, without a memory: every item is done, straight into the outputs. */
function eachOf({ module, bundle }: Loaded, context: Context, { in: given = {}, out: outputs }: TaskRun) {
  const inputs = Object.entries(given).map(([name, one]) => {
    const many = typeof one !== 'string';
    return [name, { many, items: many ? one : [{ path: one, axes: {} }] }] as const;
  });
  return createEach({
    job: { bundle, env: {}, inputs: Object.fromEntries(inputs), outputs, cores: context.cores, each: null },
    module,
    program: join(projectRoot, 'engine/dist/child.js'),
    signal: context.signal,
    rest: unwatched,
    log: context.log,
    warn: context.warn,
    progress: context.progress,
    whenIndexed: async () => {},
    hearVariables: () => {},
    tell: () => {},
  }).each;
}

async function bundle(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'silent',
  });
  const code = result.outputFiles[0]!.contents;
  const folder = join(projectRoot, 'node_modules/.cache/dag-test-tasks');
  const file = join(folder, `${createHash('sha256').update(code).digest('hex').slice(0, 24)}.mjs`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, code);
  renameSync(temporary, file);
  return file;
}

function makeContext(params: unknown, scratch: string, options: TaskRun, result: TaskResult): Context {
  const inputs = (name: string): readonly Artifact[] => {
    const given = options.in?.[name];
    if (given === undefined) throw new Error(`The task reads input "${name}", which the test did not give.`);
    return typeof given === 'string' ? [{ path: given, axes: {} }] : given;
  };
  return {
    node: 'test',
    params,
    env: {},
    scratch,
    cores: options.cores ?? 1,
    gpus: [],
    signal: options.signal ?? new AbortController().signal,
    inputs,
    input(name) {
      const given = options.in?.[name];
      if (typeof given === 'string') return given;
      if (given) throw new Error(`Input "${name}" is a list: read it with inputs().`);
      throw new Error(`The task reads input "${name}", which the test did not give.`);
    },
    output(name) {
      const path = options.out[name];
      if (path === undefined) throw new Error(`The task writes output "${name}", which the test did not name.`);
      return path;
    },
    log: (message) => void result.logs.push(message),
    warn: (message) => void result.warnings.push(message),
    progress: () => {},
    metric: (name, value, step) =>
      void result.metrics.push(step === undefined ? { name, value } : { name, value, step }),
  };
}
