import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Failure } from '../../engine/model/event.ts';
import { createCancellation } from '../../engine/run/cancel.ts';
import { NO_TRIES, nextTry, waitUnlessStopped } from '../../engine/run/retry.ts';
import { createYielding } from '../../engine/run/yielding.ts';
import { createProject, type Project } from '../rigs/project.ts';

const failure = (cause: Failure['cause'], kind: Failure['kind'] = 'task'): Failure => ({
  kind,
  message: '',
  ...(cause ? { cause } : {}),
});

/** How many tries a node gets when it always fails like this. */
function tries(retries: number, failed: Failure): number {
  let count = 1;
  let spent = NO_TRIES;
  for (let next = nextTry({ retries }, failed, spent); next; next = nextTry({ retries }, failed, spent)) {
    spent = next.tries;
    count++;
  }
  return count;
}

describe('another try', () => {
  test('is given to code as often as the task says', () => {
    expect(tries(0, failure('code'))).toBe(1);
    expect(tries(3, failure('code'))).toBe(4);
  });
  test('is given twice when the machine was at fault, from a budget of its own', () => {
    expect(tries(0, failure('infrastructure'))).toBe(3);
    const afterMachine = nextTry({ retries: 1 }, failure('infrastructure'), NO_TRIES)!.tries;
    expect(nextTry({ retries: 1 }, failure('code'), afterMachine)).not.toBeNull();
  });
  test('is not given for wrong input, want of memory or an interrupt', () => {
    expect(tries(5, failure('code', 'input'))).toBe(1);
    expect(tries(5, failure('memory'))).toBe(1);
    expect(tries(5, failure('code', 'interrupted'))).toBe(1);
  });
  test('waits longer each time, up to a minute', () => {
    const waits = [0, 1, 2, 6, 9].map(
      (code) => nextTry({ retries: 20 }, failure('code'), { code, infrastructure: 0 })!.waitSeconds,
    );
    expect(waits).toEqual([1, 2, 4, 60, 60]);
  });
});

let p: Project | undefined;
afterEach(() => p?.remove());

test('a flaky command is run again, from clean outputs, and its first log is kept', async () => {
  p = createProject({
    'pipeline.yml': `
tasks:
  flaky:
    run: "echo try >> count; echo x >> \${out.o}; test $(wc -l < count) -ge 2"
    out: { o: out/o }
    retries: 1
`,
  });
  const answer = await p.dag('run');
  expect(answer.code).toBe(0);
  expect(answer.stderr).toContain('flaky: it ended with exit code 1; try 2 in 1.0 s');
  expect(p.read('out/o')).toBe('x\n');
});

test('what a failed try of a module wrote is not part of the result of the next', async () => {
  p = createProject({
    'pipeline.yml': `
tasks:
  flaky: { use: tasks/flaky.mjs, out: { folder: out/folder }, retries: 1 }
`,
    'tasks/flaky.mjs': `
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
export default {
  run(ctx) {
    const folder = ctx.output('folder');
    mkdirSync(folder);
    const first = !existsSync(ctx.scratch + '/tried');
    writeFileSync(ctx.scratch + '/tried', '');
    writeFileSync(folder + (first ? '/half' : '/whole'), '');
    if (first) throw new Error('half way');
  },
};
`,
  });
  expect((await p.run()).ran).toEqual(['flaky']);
  expect(readdirSync(p.path('out/folder'))).toEqual(['whole']);
});

test('a node that waits for its next try is woken when it is asked to give way, and by a stop; another is not', async () => {
  const cancellation = createCancellation();
  const giving = createYielding(cancellation);
  const woken: string[] = [];
  const waits = ['asked', 'other'].map((node) =>
    waitUnlessStopped(3600, giving.cancellationFor(node)).then(() => woken.push(node)),
  );
  giving.ask('asked', 'its new code');
  await waits[0];
  expect(woken).toEqual(['asked']);
  cancellation.stop();
  await waits[1];
  expect(woken).toEqual(['asked', 'other']);
});
