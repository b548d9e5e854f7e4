// Module tasks as processes: kept warm for the same code, logs apart, stopped at a safe point, told apart when they die.
import { readFileSync, rmSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openProject, type Project } from '../../rigs/project.ts';

/** A project with one module task over `points`, whose body is given. */
function project(body: string, points: string, more = ''): Project {
  return openProject({
    'pipeline.yml': `
tasks:
  step:
    use: tasks/step.ts
    matrix: { point: [${points}] }
    params: { point: "\${point}" }
    out: { text: "out/\${point}.txt" }
    ${more}
`,
    'tasks/step.ts': `
import { writeFileSync, existsSync, appendFileSync } from 'node:fs';
let runs = 0;
export default {
  async run(ctx: any) {
    runs++;
    ${body}
    writeFileSync(ctx.output('text'), ctx.params.point + ' ' + process.pid + ' ' + runs);
  },
};
`,
  });
}

describe('a module task', () => {
  test('is run by a process that is kept for the next node with the same code', async () => {
    const p = project('', 'a, b, c');
    expect((await p.run('--jobs', '1')).ran).toHaveLength(3);
    const told = ['a', 'b', 'c'].map((point) => p.read(`out/${point}.txt`).split(' '));
    expect(new Set(told.map(([, pid]) => pid)).size).toBe(1);
    expect(told.map(([, , runs]) => runs).sort()).toEqual(['1', '2', '3']);
  });

  test('has a log of its own, whatever process it shared', async () => {
    const p = project("console.log('this is ' + ctx.params.point);", 'a, b, c');
    await p.run('--jobs', '1');
    for (const point of ['a', 'b', 'c'])
      expect((await p.dag('log', `step[point=${point}]`)).stdout).toBe(`this is ${point}\n`);
  });

  test('that failed does not hand its process on', async () => {
    const p = project("if (ctx.params.point === 'a') throw new Error('no');", 'a, b');
    expect(await p.run('--jobs', '1', '--keep-going')).toMatchObject({
      ran: ['step[point=b]'],
      failed: ['step[point=a]'],
    });
    expect(p.read('out/b.txt')).toMatch(/ 1$/);
  });

  test('that ends its process is a failure with the exit code', async () => {
    const p = project('process.exit(7);', 'a');
    const answer = await p.dag('run');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('it ended with exit code 7');
  });

  test('finishes nothing new after a SIGINT, is told to stop, and dag ends with 130', async () => {
    const p = project(
      `await new Promise((resolve, reject) => {
      appendFileSync('${'started'}', 'x');
      const timer = setInterval(() => {}, 1000);
      ctx.signal.addEventListener('abort', () => { clearInterval(timer); appendFileSync('stopped', 'x'); reject(ctx.signal.reason); });
    });`,
      'a, b',
    );
    const running = p.dag('run', '--jobs', '1');
    await p.until('started');
    running.signal('SIGINT');
    const answer = await running;
    expect(answer.code).toBe(130);
    expect(p.read('stopped')).toBe('x');
    expect(answer.stderr).toContain('stopped');
  });

  test('that does not stop is killed by the second SIGINT', async () => {
    const p = project("appendFileSync('started', 'x'); for (;;) await new Promise((r) => setTimeout(r, 1000));", 'a');
    const running = p.dag('run');
    await p.until('started');
    running.signal('SIGINT');
    await running.prints('press Ctrl-C again');
    running.signal('SIGINT');
    expect((await running).code).toBe(130);
  });

  test('keeps its scratch folder through a failure, and loses it when it succeeds', async () => {
    const p = project(
      `const mark = ctx.scratch + '/tried';
    if (!existsSync(mark)) { writeFileSync(mark, ''); throw new Error('first try'); }`,
      'a',
    );
    expect((await p.dag('run')).code).toBe(1);
    expect((await p.run()).ran).toEqual(['step[point=a]']);
    expect((await p.dag('run', '--force')).code).toBe(1);
  });

  test('is recorded with what it did not await, which a restore gives back whole', async () => {
    const p = project('', 'a');
    p.edit('tasks/step.ts', /writeFileSync\(ctx.output[^;]*;/, 'late(ctx.output("text"));');
    p.edit(
      'tasks/step.ts',
      'let runs = 0;',
      `let runs = 0;
      import { createGzip } from 'node:zlib';
      import { createWriteStream } from 'node:fs';
      function late(file: string) {
        const zip = createGzip();
        zip.pipe(createWriteStream(file));
        zip.end(Buffer.alloc(1e7, 'some bytes '));
      }`,
    );
    expect((await p.run()).ran).toEqual(['step[point=a]']);
    const whole = readFileSync(p.path('out/a.txt'));
    expect(gunzipSync(whole)).toHaveLength(1e7);
    rmSync(p.path('out/a.txt'));
    expect((await p.run()).ran).toEqual([]);
    expect(readFileSync(p.path('out/a.txt'))).toEqual(whole);
    expect((await p.status()).map(({ state }) => state)).toEqual(['fresh']);
  });

  test('that threw what nobody caught shows it in the terminal', async () => {
    const p = project("void (async () => { throw Object.assign(new Error('no'), { a: 1 }); })();", 'a');
    const { code, stderr } = await p.dag('run');
    expect(code).toBe(1);
    expect(stderr).toMatch(/✖ step\[point=a\]: no\n.*Error: no\n.*at .*tasks\/step\.ts:\d+/);
  });
});
