// Module tasks given as a body of JavaScript, run by the local executor as the engine runs them, or by `node` alone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createLocalExecutor } from '../../../engine/exec/local/local.ts';
import type { NodeMessage } from '../../../engine/exec/protocol.ts';
import type { Failure } from '../../../engine/model/event.ts';
import type { Json } from '../../../engine/task.ts';
import { REPOSITORY } from '../../rigs/project.ts';

export interface Ended {
  readonly failure: Failure | null;
  /** Name → bytes as text, of what the task wrote into its output, which is a folder. */
  readonly files: Record<string, string>;
  readonly log: string;
  readonly messages: readonly NodeMessage[];
}

export interface Started {
  readonly ended: Promise<Ended>;
  stop(reason: string): void;
  /** The folder of its output. */
  readonly out: string;
  /** Resolves with the first warning. */
  readonly warned: Promise<string>;
}

export interface Options {
  readonly params?: Readonly<Record<string, Json>>;
  readonly cores?: number;
  readonly timeoutMs?: number;
}

export interface Tasks {
  /** A module from the text of `run(ctx, out)`, and what stands before it. */
  module(body: string, before?: string): string;
  start(module: string, options?: Options): Started;
  run(module: string, options?: Options): Promise<Ended>;
  /** What `node` makes of the same module, and its exit code. */
  alone(module: string): Promise<{ code: number | null; files: Record<string, string> }>;
  close(): Promise<void>;
}

const IMPORTS = `
import fs from 'node:fs'; import http from 'node:http'; import net from 'node:net'; import path from 'node:path'; import zlib from 'node:zlib';
import { promises as fsp } from 'node:fs'; import { spawn, exec } from 'node:child_process'; import { Worker } from 'node:worker_threads';
import { pipeline } from 'node:stream'; import { pbkdf2 } from 'node:crypto';
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
`;

export function openTasks(): Tasks {
  const root = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'dag-tasks-')));
  const child = path.join(REPOSITORY, 'engine/dist/child.js');
  const executor = createLocalExecutor(root, { running: path.join(root, 'running'), child });
  let count = 0;
  const place = (name: string) => {
    const folder = path.join(root, `${name}${count++}`);
    mkdirSync(folder);
    return folder;
  };
  const tasks: Tasks = {
    module(body, before = '') {
      const file = path.join(root, `task${count++}.mjs`);
      writeFileSync(
        file,
        `${IMPORTS}${before}\nexport default { async run(ctx, out = ctx.output('o')) {\n${body}\n} };\n`,
      );
      return file;
    },
    start(bundle, { params = {}, cores = 1, timeoutMs } = {}) {
      const [out, scratch] = [place('out'), place('scratch')];
      const log = path.join(root, `${count++}.log`);
      const messages: NodeMessage[] = [];
      const node = { node: 'n', bundle, packages: '', assets: [], env: {}, inputs: {}, outputs: { o: out }, gpus: [] };
      let warned: (message: string) => void;
      const firstWarning = new Promise<string>((resolve) => {
        warned = resolve;
      });
      const running = executor.launch({
        root,
        log,
        allotment: { cores, memoryBytes: 2 ** 20, gpus: [] },
        environment: {},
        work: { kind: 'module', job: { ...node, params, scratch, cores, each: null } },
        timeoutMs: timeoutMs ?? null,
        onMessage(message) {
          messages.push(message);
          if (message.type === 'warn') warned(message.message);
        },
      });
      const ended = running.ended.then((failure) => {
        return { failure, files: filesIn(out), log: readFileSync(log, 'utf8'), messages };
      });
      return { ended, stop: running.stop, out, warned: firstWarning };
    },
    run: (module, options) => tasks.start(module, options).ended,
    async alone(module) {
      const out = place('alone');
      const program = `${module}.alone.mjs`;
      const context = `{ output: () => ${JSON.stringify(out)}, params: {} }`;
      writeFileSync(program, `import task from ${JSON.stringify(module)}; await task.run(${context});`);
      const running = spawn(process.execPath, [program], { cwd: root, stdio: 'ignore' });
      const [code] = (await once(running, 'exit')) as [number | null];
      return { code, files: filesIn(out) };
    },
    async close() {
      await executor.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
  return tasks;
}

function filesIn(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(path.join(folder, name), 'latin1')]),
  );
}
