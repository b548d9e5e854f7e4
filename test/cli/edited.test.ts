// Code that is edited while a run goes on: its result must never be recorded for what it was before.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openProject, type Project } from '../rigs/project.ts';
import { began, go, handHeld } from './rig.ts';

function project(): Project {
  return openProject({
    'pipeline.yml': `
tasks:
  first: { run: "${handHeld('first')}; echo x > \${out.x}", out: { x: out/first } }
  second: { use: second.ts, in: { x: "\${first.x}" }, out: { x: out/second } }
`,
    'second.ts': `
import { writeFileSync } from 'node:fs';
import { word } from './word.ts';
export default { run(ctx: any) { writeFileSync(ctx.output('x'), word); } };
`,
    'word.ts': "export const word = 'old';\n",
  });
}

test('a node whose code was edited since the run began is not run, and the next run makes it with the new code', async () => {
  const p = project();
  const run = p.dag('run');
  await began(p, 'first');
  p.edit('word.ts', 'old', 'new');
  go(p, 'first');
  const answer = await run;
  expect(answer.code).toBe(2);
  expect(answer.stderr).toContain(
    'what second.ts is made of changed since this run began, so it was not started: code second.ts: ',
  );
  expect(await p.run()).toMatchObject({ ran: ['second'], fresh: ['first'] });
  expect(p.read('out/second')).toBe('new');
  p.edit('word.ts', 'new', 'old');
  expect((await p.run()).ran).toEqual(['second']);
  expect(p.read('out/second')).toBe('old');
});

test('code that no longer builds when its node is due is told', async () => {
  const p = project();
  const run = p.dag('run');
  await began(p, 'first');
  p.edit('word.ts', "'old'", "'old");
  go(p, 'first');
  expect((await run).stderr).toContain('second.ts does not build any more: it was edited since this run began');
  p.edit('word.ts', "'old", "'old'");
  expect((await p.run()).ran).toEqual(['second']);
});

test('a comment is no edit', async () => {
  const p = project();
  const run = p.dag('run');
  await began(p, 'first');
  p.edit('word.ts', 'export', '// A word.\nexport');
  go(p, 'first');
  expect((await run).code).toBe(0);
  expect((await p.run()).ran).toEqual([]);
});

/** Installs as npm does: the folder is made anew. */
function install(p: Project, version: string): void {
  rmSync(p.path('node_modules/dep'), { recursive: true, force: true });
  p.write('node_modules/dep/package.json', JSON.stringify({ name: 'dep', version }));
  p.write('node_modules/dep/index.js', `exports.word = 'dep ${version}';`);
}

test('a package that changed since the run began is not run for the version that the key names', async () => {
  const p = project();
  p.edit('second.ts', './word.ts', 'dep');
  install(p, '1.0.0');
  const run = p.dag('run');
  await began(p, 'first');
  install(p, '2.0.0');
  go(p, 'first');
  const answer = await run;
  expect(answer.code).toBe(2);
  expect(answer.stderr).toContain(
    'what second.ts is made of changed since this run began, so it was not started: code package dep: 1.0.0 → 2.0.0',
  );
  install(p, '1.0.0');
  expect((await p.run()).ran).toEqual(['second']);
  expect(p.read('out/second')).toBe('dep 1.0.0');
});

describe('a package that is swapped when nodes of the module ran already', () => {
  /** `early` runs at once, `late` once the test lets `between` go. */
  const nodes = () =>
    openProject({
      'pipeline.yml': `
tasks:
  early: { use: task.ts, out: { x: out/early } }
  between: { run: "${handHeld('between')}; cp \${in.x} \${out.x}", in: { x: "\${early.x}" }, out: { x: out/between } }
  late: { use: task.ts, in: { x: "\${between.x}" }, out: { x: out/late } }
`,
      'task.ts': `
import { writeFileSync } from 'node:fs';
import { word } from 'dep';
export default { run(ctx: any) { writeFileSync(ctx.output('x'), word); } };
`,
    });

  test('is not used for later ones: they are not started, and told why', async () => {
    const p = nodes();
    install(p, '1.0.0');
    const run = p.dag('run');
    await began(p, 'between');
    install(p, '2.0.0');
    go(p, 'between');
    expect((await run).stderr).toContain('so it was not started: code package dep: 1.0.0 → 2.0.0');
    expect((await p.run()).ran).toEqual(['early', 'between', 'late']);
    expect(p.read('out/late')).toBe('dep 2.0.0');
    install(p, '1.0.0');
    expect(await p.run('early')).toMatchObject({ ran: [], restored: ['early'] });
  });

  test('and is what it was again does not matter', async () => {
    const p = nodes();
    install(p, '1.0.0');
    const run = p.dag('run');
    await began(p, 'between');
    install(p, '2.0.0');
    install(p, '1.0.0');
    go(p, 'between');
    expect((await run).code).toBe(0);
    expect(p.read('out/late')).toBe('dep 1.0.0');
    expect((await p.run()).ran).toEqual([]);
  });
});

describe('a package that is swapped while a node runs', () => {
  const items = () =>
    openProject({
      'pipeline.yml': 'tasks: { a: { use: task.ts, out: { x: out/x } } }\n',
      'task.ts': `
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { word } from 'dep';
export async function one(item: string, ctx: any) {
  writeFileSync(ctx.output('x') + '/' + item, word);
  appendFileSync('done', item);
}
export default {
  async run(ctx: any) {
    await ctx.each(['p', 'q'], { key: (item: string) => item, inputs: () => [], outputs: { x: (item: string) => [item] } }, one);
    writeFileSync(ctx.scratch + '/progress', word);
    writeFileSync('.a-began', '');
    while (!existsSync('.a-go')) await new Promise((resolve) => setTimeout(resolve, 20));
  },
};
`,
    });
  const swapped = async (...versions: string[]) => {
    const p = items();
    install(p, '1.0.0');
    const run = p.dag('run');
    await began(p, 'a');
    for (const version of versions) install(p, version);
    go(p, 'a');
    return { p, answer: await run };
  };
  const scratch = (p: Project) => (existsSync(p.path('.dag/scratch')) ? readdirSync(p.path('.dag/scratch')) : []);

  test('leaves no record, is told, and nothing that it did is gone on from', async () => {
    const { p, answer } = await swapped('2.0.0');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain(
      'a package that a imports changed while it ran, so its result was not recorded: code package dep: 1.0.0 → 2.0.0',
    );
    expect(scratch(p)).toEqual([]);
    install(p, '1.0.0');
    expect((await p.run()).ran).toEqual(['a']);
    expect(p.read('done')).toBe('pqpq');
    expect((await p.run()).fresh).toEqual(['a']);
  });

  test('and back leaves a record, with a warning that it was', async () => {
    const { p, answer } = await swapped('2.0.0', '1.0.0');
    expect(answer.code).toBe(0);
    expect(answer.stderr).toContain('a: node_modules/dep was installed again, in the same version, while it ran');
    expect((await p.run()).fresh).toEqual(['a']);
  });

  test('or while it starts, is another try, with a scratch folder', async () => {
    const p = openProject({
      'pipeline.yml': 'tasks: { a: { use: task.ts, retries: 1, out: { x: out/x } } }\n',
      'task.ts': `
import { writeFileSync } from 'node:fs';
import { word } from 'dep';
export default { run(ctx: any) {
  writeFileSync(ctx.scratch + '/progress', word);
  writeFileSync(ctx.output('x'), word);
} };
`,
    });
    install(p, '1.0.0');
    p.write(
      'node_modules/dep/index.js',
      `const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const manifest = __dirname + '/package.json';
if (!existsSync('.again')) writeFileSync(manifest, readFileSync(manifest));
writeFileSync('.again', '');
exports.word = 'dep';`,
    );
    const answer = await p.dag('run');
    expect(answer.stderr).toContain('node_modules/dep was installed again while it started; try 2');
    expect(answer.code).toBe(0);
    expect(p.read('out/x')).toBe('dep');
  });

  test('is not taken for one where another package was installed', async () => {
    const p = items();
    install(p, '1.0.0');
    p.write('node_modules/.package-lock.json', '{}');
    const run = p.dag('run');
    await began(p, 'a');
    p.write('node_modules/other/package.json', '{ "name": "other", "version": "1.0.0" }');
    p.write('node_modules/.package-lock.json', '{ "packages": { "node_modules/other": { "version": "1.0.0" } } }');
    go(p, 'a');
    const answer = await run;
    expect(answer.code).toBe(0);
    expect(answer.stderr).not.toContain('installed again');
    expect((await p.run()).fresh).toEqual(['a']);
  });
});
