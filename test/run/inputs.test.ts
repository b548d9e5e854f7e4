// Inputs that change while a node runs, and nodes that are the same work.
import { copyFileSync, linkSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { RunEvent } from '../../engine/model/event.ts';
import { began, go, handHeld, journals } from '../cli/rig.ts';
import { createProject, type Project } from '../rigs/project.ts';

let p: Project;
afterEach(() => p?.remove());

const reader = (input: string) => `tasks:\n  a:\n    run: "${handHeld('a')}; cat ${input} > \${out.o}"\n`;

describe('an input that is edited and put back while a node runs', () => {
  test.each(['rewritten', 'copied back with its old times'])('and %s leaves no record, and is told', async (how) => {
    p = createProject({
      'pipeline.yml': `${reader('data.txt')}    in: { d: data.txt }\n    out: { o: out/o }\n`,
      'data.txt': 'one',
    });
    copyFileSync(p.path('data.txt'), p.path('copy.txt'));
    utimesSync(p.path('data.txt'), 1e9, 1e9);
    const run = p.dag('run');
    await began(p, 'a');
    writeFileSync(p.path('data.txt'), 'two');
    copyFileSync(p.path('copy.txt'), p.path('data.txt'));
    if (how !== 'rewritten') utimesSync(p.path('data.txt'), 1e9, 1e9);
    go(p, 'a');
    const answer = await run;
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('a: its input data.txt was written while it ran');
    expect((await p.run()).ran).toEqual(['a']);
    expect(await p.run()).toMatchObject({ fresh: ['a'], ran: [] });
  });

  test('in a folder, deep inside, likewise', async () => {
    p = createProject({
      'pipeline.yml': `${reader('data/x/y/z')}    in: { d: data }\n    out: { o: out/o }\n`,
      'data/x/y/z': 'one',
      'data/first': '1',
    });
    const run = p.dag('run');
    await began(p, 'a');
    writeFileSync(p.path('data/x/y/z'), 'two');
    writeFileSync(p.path('data/x/y/z'), 'one');
    go(p, 'a');
    expect((await run).stderr).toContain('its input data was written while it ran');
  });

  test('is not taken for one where the command links its own input', async () => {
    p = createProject({
      'pipeline.yml': 'tasks: { a: { run: "ln ${in.d} ${out.o}", in: { d: data.txt }, out: { o: out/o } } }\n',
      'data.txt': 'one',
    });
    expect((await p.run()).ran).toEqual(['a']);
  });

  test('is not taken for one where an output was moved, linked or restored by us', async () => {
    p = createProject({
      'pipeline.yml': `
tasks:
  make: { run: "echo made > \${out.o}", out: { o: out/made } }
  a:
    run: "${handHeld('a')}; cat \${in.d} > \${out.o}"
    in: { d: "\${make.o}" }
    out: { o: out/o }
`,
    });
    const run = p.dag('run');
    await began(p, 'a');
    linkSync(p.path('out/made'), p.path('linked')); // As the store does, or another restore of the same bytes.
    go(p, 'a');
    expect((await run).code).toBe(0);
  });
});

test.each(['4', '1'])(
  'of nodes of one key, %s at once, one is run: the other takes the result, and their scratch is never shared',
  async (jobs) => {
    p = createProject({
      'pipeline.yml': `
tasks:
  twin:
    use: tasks/twin.mjs
    matrix: { i: [a, b, c] }
    out: { o: "out/\${i}" }
`,
      'tasks/twin.mjs': `
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
export default { async run(ctx) {
  mkdirSync(ctx.scratch + '/alone'); // Fails for a second one at once.
  await new Promise((resolve) => setTimeout(resolve, 200));
  appendFileSync('ran', 'x');
  rmSync(ctx.scratch + '/alone', { recursive: true });
  writeFileSync(ctx.output('o'), 'result');
} };
`,
    });
    const summary = await p.run('--jobs', jobs);
    expect(summary).toMatchObject({ ok: true, failed: [] });
    expect(summary.ran).toHaveLength(1);
    expect(summary.restored).toHaveLength(2);
    expect(readFileSync(p.path('ran'), 'utf8')).toBe('x');
    for (const i of ['a', 'b', 'c']) expect(p.read(`out/${i}`)).toBe('result');
    const events = p
      .read(`.dag/runs/${journals(p)[0]}`)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as RunEvent);
    expect(events.filter(({ type }) => type === 'node-started')).toHaveLength(1);
    expect((await p.run()).fresh).toHaveLength(3);
  },
);
