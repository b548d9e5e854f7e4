// What every executor has to do, whatever it starts work on: the suite that each passes (executor.test.ts).
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Executor, Launch, Running } from '../../engine/exec/executor.ts';
import type { NodeMessage } from '../../engine/exec/protocol.ts';
import type { Failure } from '../../engine/model/event.ts';

export interface Subject {
  open(root: string): Executor;
  /** Starts a shell command in `root` by an executor whose engine is then killed while the command runs. */
  abandon(root: string, command: string): Promise<void>;
}

const ASKED = { jobs: 2, gpus: 2, pools: { disk: 1 }, wantsGpu: true };
const ALLOTMENT = { cores: 1, memoryBytes: 2 ** 20, gpus: [] };

export function describeExecutor(name: string, subject: Subject): void {
  describe(`the ${name} executor`, () => {
    let root: string;
    let executor: Executor;
    let count = 0;
    beforeEach(() => {
      root = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'dag-executor-')));
      executor = subject.open(root);
    });
    afterEach(async () => {
      await executor.close();
      rmSync(root, { recursive: true, force: true });
    });

    interface Started {
      readonly running: Running;
      readonly log: string;
      readonly messages: NodeMessage[];
      ended(): Promise<{ failure: Failure | null; printed: string }>;
    }

    function launch(work: Launch['work'], more: Partial<Launch> = {}): Started {
      const log = path.join(root, 'logs', `${count++}.log`);
      const messages: NodeMessage[] = [];
      const onMessage = (message: NodeMessage) => void messages.push(message);
      const running = executor.launch({
        root,
        log,
        allotment: ALLOTMENT,
        environment: {},
        work,
        timeoutMs: null,
        onMessage,
        ...more,
      });
      const ended = async () => ({ failure: await running.ended, printed: readFileSync(log, 'utf8') });
      return { running, log, messages, ended };
    }
    const shell = (command: string, more?: Partial<Launch>) =>
      launch({ kind: 'shell', command, declared: { inputs: [], own: [], scratch: '' } }, more);
    const task = (body: string, more?: Partial<Launch>) => {
      const bundle = path.join(root, `task${count}.mjs`);
      writeFileSync(bundle, `import fs from 'node:fs';\nexport default { async run(ctx) {\n${body}\n} };\n`);
      const scratch = path.join(root, `scratch${count}`);
      mkdirSync(scratch);
      const outputs = { o: path.join(root, `out${count}`) };
      const job = {
        node: 'n',
        bundle,
        packages: '',
        assets: [],
        env: {},
        params: { p: 7 },
        inputs: {},
        outputs,
        scratch,
        cores: 1,
        gpus: [],
      };
      return { ...launch({ kind: 'module', job: { ...job, each: null } }, more), out: outputs.o };
    };
    const until = async (isSo: () => boolean) => {
      while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    const printed = (log: string, text: string) =>
      until(() => existsSync(log) && readFileSync(log, 'utf8').includes(text));

    test('says what there is: at most what the user said, with the pools of the file', async () => {
      expect(await executor.capacity(ASKED)).toMatchObject({ cores: 2, gpus: [0, 1], pools: { disk: 1 } });
      expect((await executor.capacity({ ...ASKED, gpus: null, wantsGpu: false })).gpus).toEqual([]);
    });

    test('runs a shell command in the root, and has what it printed in the log, written anew', async () => {
      const first = shell('pwd; echo wrong >&2');
      expect(await first.ended()).toEqual({ failure: null, printed: `${root}\nwrong\n` });
      const again = shell('echo again', { log: first.log });
      expect(await again.running.ended).toBeNull();
      expect(readFileSync(first.log, 'utf8')).toBe('again\n');
    });

    test('tells a failure with its log, and whose it was', async () => {
      const { log, ended } = shell('echo why; exit 3');
      expect(await ended()).toMatchObject({ failure: { kind: 'task', cause: 'code', log }, printed: 'why\n' });
      const wrong = task("throw Object.assign(new Error('bad data'), { name: 'InputError' });");
      expect((await wrong.ended()).failure).toMatchObject({ kind: 'input', message: 'bad data' });
    });

    test('gives a node its share: cores, and of GPUs its own only', async () => {
      await executor.capacity(ASKED);
      const one = shell('echo $DAG_CORES,$CUDA_VISIBLE_DEVICES', { allotment: { ...ALLOTMENT, cores: 2, gpus: [1] } });
      expect((await one.ended()).printed).toBe('2,1\n');
      expect((await shell('echo "<$CUDA_VISIBLE_DEVICES>"').ended()).printed).toBe('<>\n');
    });

    test('runs a module task: parameters, outputs, and what it says while it runs, in order', async () => {
      const said = task(`
        ctx.progress(1, 2, 'steps');
        ctx.metric('loss', 0.5, 1);
        ctx.warn('careful');
        fs.writeFileSync(ctx.output('o'), String(ctx.params.p));`);
      expect((await said.ended()).failure).toBeNull();
      expect(readFileSync(said.out, 'utf8')).toBe('7');
      expect(said.messages.filter(({ type }) => type !== 'loaded')).toEqual([
        { type: 'progress', done: 1, total: 2, unit: 'steps' },
        { type: 'metric', name: 'loss', value: 0.5, step: 1 },
        { type: 'warn', message: 'careful' },
      ]);
    });

    test('runs many at a time, and after one another, without a trace of the one before', async () => {
      const all = await Promise.all([1, 2, 3, 4].map((n) => shell(`X=${n}; echo $X`).ended()));
      expect(all.map((one) => one.printed)).toEqual(['1\n', '2\n', '3\n', '4\n']);
      expect((await shell('echo "${X-none}"').ended()).printed).toBe('none\n');
    });

    test('stop lets a command clean up, and a module task end at its safe point', async () => {
      const command = shell('trap "echo cleaning; exit 9" TERM; echo began; while true; do sleep 0.01; done');
      await printed(command.log, 'began');
      command.running.stop('enough');
      expect(await command.ended()).toMatchObject({
        failure: { kind: 'task' },
        printed: expect.stringContaining('cleaning\n'),
      });
      const module = task(`
        console.log('began');
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
        console.log('cleaning');
        throw ctx.signal.reason;`);
      await printed(module.log, 'began');
      module.running.stop('enough');
      expect(await module.ended()).toMatchObject({ failure: { kind: 'interrupted' }, printed: 'began\ncleaning\n' });
    });

    test('kill ends what does not hear, and all that it started', async () => {
      const deaf = shell('trap "" TERM; echo began; sleep 1000; touch late');
      await printed(deaf.log, 'began');
      deaf.running.stop('enough');
      deaf.running.kill();
      expect((await deaf.ended()).failure).toMatchObject({ kind: 'task', cause: 'infrastructure' });
    });

    test('a time limit kills, and says so', async () => {
      const { failure } = await shell('sleep 1000', { timeoutMs: 100 }).ended();
      expect(failure).toMatchObject({ kind: 'task', cause: 'code' });
      expect(failure!.message).toContain('timeout of 0.1 s');
    });

    test('what a killed engine left at work is ended before anything starts, and told', async () => {
      await subject.abandon(root, 'touch began; while [ ! -e go ]; do sleep 0.01; done; touch late');
      await until(() => existsSync(path.join(root, 'began')));
      const told: string[] = [];
      await executor.reapOrphans((line) => void told.push(line), new AbortController().signal);
      expect(told).toEqual([expect.stringContaining('had left running')]);
      writeFileSync(path.join(root, 'go'), '');
      expect((await shell('sleep 0.1').ended()).failure).toBeNull();
      expect(existsSync(path.join(root, 'late'))).toBe(false);
      await executor.reapOrphans((line) => void told.push(line), new AbortController().signal);
      expect(told).toHaveLength(1);
    });

    test('close ends what was kept warm, more than once without harm', async () => {
      await shell('true').ended();
      await task('').ended();
      await executor.close();
      await executor.close();
    });
  });
}
