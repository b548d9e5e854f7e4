// The far side of a module task: a process that imports one bundled module, runs it, and says how it went. After success it
// waits for another node with the same code; after a failure it ends, since nobody knows what state it is in.

import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { own } from '../../model/own.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import type { Task, TaskContext } from '../../task.ts';
import type { FromChild, ModuleJob, ToChild } from '../protocol.ts';
import type { Each } from './each/each.ts';
import { type UseWatch, watchUses } from './fileWatch.ts';
import { declaredVariables } from './variables.ts';

const PROGRESS_INTERVAL_MS = 100;

const stop = new AbortController();
let uses: UseWatch | null = null;
let isLoaded = false;

// The threads of `ctx.each` start with this file too.
if (isMainThread) listen();
else void import('./each/item.ts').then(({ serveItems }) => serveItems());

function listen(): void {
  uses = watchUses(process.cwd());
  process.on('message', (message: ToChild) => {
    if (message.type === 'stop') stop.abort(new Error(message.reason));
    else if (message.type === 'job') void work(message.job);
  });
  // The engine died: there is nobody left to publish for.
  process.on('disconnect', () => process.exit(1));
  // A terminal's Ctrl-C is the engine's business: it tells us by a message.
  process.on('SIGINT', () => {});
}

async function work(job: ModuleJob): Promise<void> {
  const answer = await runTask(job);
  process.send!(answer, () => {
    if (answer.type !== 'done') process.exit(1);
  });
}

async function runTask(job: ModuleJob): Promise<FromChild> {
  try {
    const module = (await import(pathToFileURL(job.bundle).href)) as { default?: Task<unknown> };
    if (!isLoaded) send({ type: 'loaded' });
    isLoaded = true;
    const task = module.default;
    if (typeof task?.run !== 'function') {
      return {
        type: 'error',
        kind: 'input',
        message: 'the module has no default export made with defineTask({ run(ctx) {…} })',
      };
    }
    const params = parseParams(task, job);
    if (!params.ok) return params.error;
    const context = contextOf(job, params.value);
    const each = eachOf(job, module, context);
    uses?.begin(job);
    await task.run({ ...context, each: each.each });
    await each.close();
    for (const message of uses?.end() ?? []) context.warn(message);
    return { type: 'done', rssBytes: process.memoryUsage.rss() };
  } catch (error) {
    return explain(error);
  }
}

/** The issues of a schema are wrong input; what `run` throws later, of the same shape, may be a defect of the task. */
function parseParams(task: Task<unknown>, job: ModuleJob): Result<unknown, FromChild> {
  try {
    return ok(task.params ? task.params.parse(job.params) : job.params);
  } catch (error) {
    const issues = (error as { issues?: { path: PropertyKey[]; message: string }[] }).issues;
    if (!Array.isArray(issues)) return fail(explain(error));
    const lines = issues.map(({ path, message }) => `params.${path.map(String).join('.')}: ${message}`);
    return fail({ type: 'error', kind: 'input', message: lines.join('\n') });
  }
}

function explain(error: unknown): FromChild {
  if (isOurStop(error)) return { type: 'error', kind: 'interrupted', message: String(stop.signal.reason.message) };
  if (!(error instanceof Error)) return { type: 'error', kind: 'task', message: String(error) };
  // By name: the task's bundle has a copy of its own of the class.
  if (error.name === 'InputError') return { type: 'error', kind: 'input', message: error.message };
  console.error(error.stack ?? error.message);
  return { type: 'error', kind: 'task', message: error.message };
}

/** The task stopped because it was asked to. Whatever else it throws then is a failure all the same. */
function isOurStop(error: unknown): boolean {
  const { aborted, reason } = stop.signal;
  if (!aborted) return false;
  return error === reason || (error instanceof Error && (error.name === 'AbortError' || error.cause === reason));
}

/** Loaded by the first call: it brings the cache's index with it, which most tasks do not need. */
function eachOf(job: ModuleJob, module: object, { log, progress, signal }: Context): Each {
  const make = async () => {
    const { createEach } = await import('./each/each.ts');
    const program = fileURLToPath(import.meta.url);
    const hearVariables = (names: readonly string[]) => uses?.addVariables(names);
    const around = { job, module: { ...module }, program, log, progress, signal, whenIndexed, hearVariables };
    return createEach({ ...around, tell: send });
  };
  let made: Promise<Each> | null = null;
  return {
    async each(items, options, worker) {
      made ??= make();
      return (await made).each(items, options, worker);
    },
    close: async () => void (await (await made)?.close()),
  };
}

function whenIndexed(): Promise<void> {
  return new Promise((resolve) => {
    const hear = (message: ToChild) => {
      if (message.type !== 'indexed') return;
      process.off('message', hear);
      resolve();
    };
    process.on('message', hear);
    send({ type: 'index' });
  });
}

const send = (message: FromChild) => void process.send!(message);

type Context = Omit<TaskContext<unknown>, 'each'>;

function contextOf(job: ModuleJob, params: unknown): Context {
  let lastProgressMs = 0;
  const inputs = (name: string) => {
    const role = own(job.inputs, name);
    if (!role) throw new Error(`the task reads input "${name}", which its \`in:\` in pipeline.yml does not declare`);
    return role;
  };
  return {
    node: job.node,
    params,
    env: declaredVariables(job.env),
    input(name) {
      const { many, items } = inputs(name);
      if (many || items.length !== 1)
        throw new Error(`input "${name}" is a list of ${items.length}: read it with inputs("${name}")`);
      return items[0]!.path;
    },
    inputs: (name) => inputs(name).items,
    output(name) {
      const file = own(job.outputs, name);
      if (file === undefined)
        throw new Error(`the task writes output "${name}", which its \`out:\` in pipeline.yml does not declare`);
      return file;
    },
    scratch: job.scratch,
    bundle: job.bundle,
    cores: job.cores,
    gpus: job.gpus,
    signal: stop.signal,
    log: (message) => console.log(message),
    warn(message) {
      console.log(`warning: ${message}`);
      send({ type: 'warn', message });
    },
    progress(done, total, unit = '') {
      const now = Date.now();
      if (now - lastProgressMs < PROGRESS_INTERVAL_MS && done < total) return;
      lastProgressMs = now;
      send({ type: 'progress', done, total, unit });
    },
    metric(name, value, step) {
      const kinds = [typeof value, typeof (step ?? 0)];
      const wrong = kinds.find((kind) => kind !== 'number');
      if (wrong) throw new TypeError(`ctx.metric takes numbers, and was given ${wrong} for "${name}"`);
      send({ type: 'metric', name, value, step: step ?? null });
    },
  };
}
