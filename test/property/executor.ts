// Runs the nodes of a random project within the test's process: what a command or a bundle says is read, and done.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Executor, Launch, Running } from '../../engine/exec/executor.ts';
import type { Failure } from '../../engine/model/event.ts';
import { combine, readTree, type Spec, writeFile } from './combine.mjs';
import { Killed, type Life } from './life.ts';

/** Runs nodes step by step, so that they overlap and can be cut short. A dead process' nodes never end. */
export function createExecutor(
  root: string,
  life: Life,
  meanwhile: (() => void) | null,
  pausing: () => Promise<void>,
): Executor {
  let onFirstRead = meanwhile;
  const perform = async ({ work }: Launch, isStopped: () => boolean): Promise<Failure | null> => {
    const pause = async () => {
      await new Promise(setImmediate);
      await pausing();
      if (life.over()) await new Promise(() => {});
      life.step();
      if (isStopped()) throw new Stopped();
    };
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
    return breaks ? { kind: 'task', cause: 'code', message: 'broken' } : null;
  };
  const launch = (options: Launch): Running => {
    let isStopped = false;
    const stop = () => {
      isStopped = true;
    };
    const ended = perform(options, () => isStopped).catch((error) => {
      // As a killed process: nobody hears of it.
      if (error instanceof Killed) return new Promise<null>(() => {});
      if (error instanceof Stopped) return howStopped(options);
      throw error;
    });
    return { ended, stop, kill: stop };
  };
  return {
    name: 'in this process',
    sharesHost: true,
    capacity: async () => ({ cores: 3, memoryBytes: 1e9, gpus: [], pools: {} }),
    launch,
    async reapOrphans() {},
    async close() {},
  };
}

class Stopped extends Error {}

/** A module task says that it was stopped; a shell command dies. */
const howStopped = ({ work }: Launch): Failure => ({
  kind: work.kind === 'module' ? 'interrupted' : 'task',
  message: 'stopped',
});

interface Job {
  readonly spec: Spec;
  readonly label: string;
  readonly param: number;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly breaks: boolean;
}

export function readCommand(root: string, command: string): Job {
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
