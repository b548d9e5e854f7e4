// The far side of a module task: a process that imports one bundled module, runs it until nothing of it is open any more (rest.ts),
// and says how it went. After success it waits for another node with the same code, or ends by itself where something of the task
// would last (lasting.ts); after a failure it ends, since nobody knows what state it is in.
import { getEventListeners } from 'node:events';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { own } from '../../model/own.ts';
import { InputError, type Task, type TaskContext } from '../../task.ts';
import type { FromChild, ModuleJob, ToChild } from '../protocol.ts';
import type { Each } from './each/each.ts';
import { type UseWatch, watchUses } from './fileWatch.ts';
import { watchLasting } from './lasting.ts';
import { createRest, type Rest, type ThreadRest } from './rest.ts';
import { messageOf, shown } from './thrown.ts';
import { declaredVariables } from './variables.ts';

const PROGRESS_INTERVAL_MS = 100;

const stop = new AbortController();
let isLoaded = false;

// The threads of `ctx.each` start with this file too.
if (isMainThread) listen();
else void import('./each/item.ts').then(({ serveItems }) => serveItems());

interface Surroundings {
  readonly rest: ThreadRest;
  readonly uses: UseWatch;
  /** Something of the task would go on, or happen at the end of the process. */
  lasts(): boolean;
}

function listen(): void {
  let isBusy = false;
  const answer = (message: FromChild) => process.send!(message, () => process.exit(1));
  const awaitsStop = () => getEventListeners(stop.signal, 'abort').length > 0;
  const rest = createRest(process.channel!, (thrown) => answer(explain(thrown)), awaitsStop);
  process.on('exit', (code) => {
    if (!isBusy || code !== 0) return;
    send({ type: 'error', kind: 'task', message: 'it called process.exit(0) before it was over' });
    process.exitCode = 1;
  });
  process.on('message', async (message: ToChild) => {
    if (message.type === 'stop') {
      stop.abort(new Error(message.reason));
      rest.goOn();
    }
    if (message.type !== 'job') return;
    isBusy = true;
    const told = await runTask(message.job, around);
    if (told.type !== 'done') return answer(told);
    isBusy = false;
    send(told);
    if (!told.isKept) process.channel?.unref();
  });
  // The engine died: there is nobody left to publish for.
  process.on('disconnect', () => process.exit(1));
  // A terminal's Ctrl-C is the engine's business: it tells us by a message.
  process.on('SIGINT', () => {});
  // What listens from now on is the task's.
  const around: Surroundings = { rest, lasts: watchLasting(), uses: watchUses(process.cwd()) };
}

async function runTask(job: ModuleJob, { rest, uses, lasts }: Surroundings): Promise<FromChild> {
  let each: Each | null = null;
  const run = async () => {
    const { module, task, params } = await load(job);
    const context = contextOf(job, params);
    each = eachOf(job, module, context, rest, uses);
    uses.begin(job);
    await task.run({ ...context, each: each.each });
  };
  try {
    await rest.task(run, (open) => warn(`run() has returned; waiting for what it did not await: ${open}`));
    await each!.close();
    uses.end().forEach(warn);
    return { type: 'done', rssBytes: process.memoryUsage.rss(), isKept: !lasts() };
  } catch (error) {
    return explain(error);
  }
}

async function load(job: ModuleJob): Promise<{ module: object; task: Task<unknown>; params: unknown }> {
  const module = (await import(pathToFileURL(job.bundle).href)) as { default?: Task<unknown> };
  if (!isLoaded) send({ type: 'loaded' });
  isLoaded = true;
  const task = module.default;
  if (typeof task?.run !== 'function')
    throw new InputError('the module has no default export made with defineTask({ run(ctx) {…} })');
  return { module, task, params: parseParams(task, job) };
}

/** The issues of a schema are wrong input; what `run` throws later, of the same shape, may be a defect of the task. */
function parseParams(task: Task<unknown>, job: ModuleJob): unknown {
  try {
    return task.params ? task.params.parse(job.params) : job.params;
  } catch (error) {
    const issues = (error as { issues?: { path: PropertyKey[]; message: string }[] } | null)?.issues;
    if (!Array.isArray(issues)) throw error;
    const lines = issues.map(({ path, message }) => `params.${path.map(String).join('.')}: ${message}`);
    throw new InputError(lines.join('\n'));
  }
}

function explain(error: unknown): FromChild {
  if (isOurStop(error)) return { type: 'error', kind: 'interrupted', message: String(stop.signal.reason.message) };
  const message = messageOf(error);
  // By name: the task's bundle has a copy of its own of the class.
  if (error instanceof Error && error.name === 'InputError') return { type: 'error', kind: 'input', message };
  console.error(shown(error));
  return { type: 'error', kind: 'task', message };
}

/** The task stopped because it was asked to. Whatever else it throws then is a failure all the same. */
function isOurStop(error: unknown): boolean {
  const { aborted, reason } = stop.signal;
  if (!aborted) return false;
  return error === reason || (error instanceof Error && (error.name === 'AbortError' || error.cause === reason));
}

/** Loaded by the first call: it brings the cache's index with it, which most tasks do not need. */
function eachOf(job: ModuleJob, module: object, context: Context, rest: Rest, uses: UseWatch): Each {
  const { log, warn, progress, signal } = context;
  const make = async () => {
    const { createEach } = await import('./each/each.ts');
    const program = fileURLToPath(import.meta.url);
    const whenIndexed = () => rest.hold(indexed());
    const hearVariables = (names: readonly string[]) => uses.addVariables(names);
    const around = { job, module: { ...module }, program, log, warn, progress, signal, rest, whenIndexed };
    return createEach({ ...around, hearVariables, tell: send });
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

function indexed(): Promise<void> {
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

function warn(message: string): void {
  console.log(`warning: ${message}`);
  send({ type: 'warn', message });
}

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
    warn,
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
