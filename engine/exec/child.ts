// The far side of a module task: a process that imports one bundled module, runs it, and says how it went. After success it
// waits for another node with the same code; after a failure it ends, since nobody knows what state it is in.
import { pathToFileURL } from 'node:url';
import type { Task, TaskContext } from '../task.ts';
import type { FromChild, ModuleJob, ToChild } from './protocol.ts';

const PROGRESS_INTERVAL_MS = 100;

const stop = new AbortController();

process.on('message', (message: ToChild) => {
  if (message.type === 'stop') stop.abort(new Error(message.reason));
  else void work(message.job);
});
// The engine died: there is nobody left to publish for.
process.on('disconnect', () => process.exit(1));
// A terminal's Ctrl-C is the engine's business: it tells us by a message.
process.on('SIGINT', () => {});

async function work(job: ModuleJob): Promise<void> {
  const answer = await runTask(job);
  process.send!(answer, () => {
    if (answer.type !== 'done') process.exit(1);
  });
}

async function runTask(job: ModuleJob): Promise<FromChild> {
  try {
    const { default: task } = (await import(pathToFileURL(job.bundle).href)) as { default?: Task<unknown> };
    if (typeof task?.run !== 'function') {
      return {
        type: 'error',
        kind: 'input',
        message: 'the module has no default export made with defineTask({ run(ctx) {…} })',
      };
    }
    const params = task.params ? task.params.parse(job.params) : job.params;
    await task.run(contextOf(job, params));
    return { type: 'done', rssBytes: process.memoryUsage.rss() };
  } catch (error) {
    return explain(error);
  }
}

function explain(error: unknown): FromChild {
  if (stop.signal.aborted)
    return { type: 'error', kind: 'interrupted', message: String(stop.signal.reason?.message ?? 'stopped') };
  if (!(error instanceof Error)) return { type: 'error', kind: 'task', message: String(error) };
  const issues = (error as { issues?: { path: PropertyKey[]; message: string }[] }).issues;
  if (Array.isArray(issues)) {
    const lines = issues.map(({ path, message }) => `params.${path.map(String).join('.')}: ${message}`);
    return { type: 'error', kind: 'input', message: lines.join('\n') };
  }
  // By name: the task's bundle has a copy of its own of the class.
  if (error.name === 'InputError') return { type: 'error', kind: 'input', message: error.message };
  console.error(error.stack ?? error.message);
  return { type: 'error', kind: 'task', message: error.message };
}

function contextOf(job: ModuleJob, params: unknown): TaskContext<unknown> {
  const send = (message: FromChild) => void process.send!(message);
  let lastProgressMs = 0;
  const inputs = (name: string) => {
    const role = job.inputs[name];
    if (!role) throw new Error(`the task reads input "${name}", which its \`in:\` in pipeline.yml does not declare`);
    return role;
  };
  return {
    node: job.node,
    params,
    input(name) {
      const { many, items } = inputs(name);
      if (many || items.length !== 1)
        throw new Error(`input "${name}" is a list of ${items.length}: read it with inputs("${name}")`);
      return items[0]!.path;
    },
    inputs: (name) => inputs(name).items,
    output(name) {
      const file = job.outputs[name];
      if (file === undefined)
        throw new Error(`the task writes output "${name}", which its \`out:\` in pipeline.yml does not declare`);
      return file;
    },
    scratch: job.scratch,
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
    metric: (name, value, step) => send({ type: 'metric', name, value, step: step ?? null }),
  };
}
