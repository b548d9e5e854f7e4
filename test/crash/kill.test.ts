// `dag run` killed at its n-th call of each system call that changes the disk, through strace, which needs nothing of the
// product: while everything is published, and while everything is restored. Then it is run again, and must make good.
// DAG_CRASH=all tries every n; by default some.
import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { DAG, type Project } from '../rigs/project.ts';
import { cleanOutputs, createEveryKind, execute, outputsOf, removeOutputs, textOf } from './rig.ts';

const CALLS = ['rename', 'link', 'unlink', 'mkdir', 'fsync', 'fdatasync', 'pwrite64', 'pwritev', 'write', 'ftruncate'];
const canTrace = spawnSync('strace', ['-f', '-e', 'trace=none', 'true'], { stdio: 'ignore' }).status === 0;
const all = process.env.DAG_CRASH === 'all';

/** 1, 2, 3, … or, for the hurried, 1, 2, 4, 7, 12, … */
const next = (count: number) => (all ? count + 1 : Math.ceil(count * 1.7));

let p: Project;
afterEach(() => p?.remove());

/** Whether the process was killed: false once it makes fewer such calls. */
async function runKilledAt(call: string, count: number): Promise<boolean> {
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${count}`];
  const words = ['strace', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', ...inject, process.execPath, DAG, 'run'];
  const { code, signal } = await execute(words, p.root);
  return signal === 'SIGKILL' || code === 137;
}

describe.skipIf(!canTrace)('a process killed', () => {
  test.each(CALLS)('at any %s of publishing leaves a project that the next run completes', async (call) => {
    p = createEveryKind();
    let number = 1;
    for (let count = 1; ; count = next(count)) {
      p.write('source.txt', textOf(++number));
      const killed = await runKilledAt(call, count);
      expect(await p.run()).toMatchObject({ ok: true, failed: [] });
      expect(outputsOf(p)).toEqual(cleanOutputs(number));
      if (!killed) break;
    }
    expect(await p.run()).toMatchObject({ ran: [], restored: [] });
  });

  test.each(['rename', 'link', 'unlink', 'write', 'mkdir'])('at any %s of restoring, too', async (call) => {
    p = createEveryKind();
    await p.run();
    for (let count = 1; ; count = next(count)) {
      removeOutputs(p);
      const killed = await runKilledAt(call, count);
      expect(await p.run()).toMatchObject({ ok: true, ran: [], failed: [] });
      expect(outputsOf(p)).toEqual(cleanOutputs(0));
      if (!killed) break;
    }
  });
});
