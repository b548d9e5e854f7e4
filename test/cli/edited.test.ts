// Code that is edited while a run goes on: its result must never be recorded for what it was before.
import { expect, test } from 'vitest';
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
  expect(answer.stderr).toContain('the code of second.ts was edited since this run began');
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
  expect((await run).stderr).toContain('was edited since this run began');
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

test('a package that changed since the run began is not run for the version that the key names', async () => {
  const p = project();
  const install = (version: string) => {
    p.write('node_modules/dep/package.json', JSON.stringify({ name: 'dep', version }));
    p.write('node_modules/dep/index.js', `exports.word = 'dep ${version}';`);
  };
  p.edit('second.ts', './word.ts', 'dep');
  install('1.0.0');
  const run = p.dag('run');
  await began(p, 'first');
  install('2.0.0');
  go(p, 'first');
  const answer = await run;
  expect(answer.code).toBe(2);
  expect(answer.stderr).toContain('a package that it imports changed');
  install('1.0.0');
  expect((await p.run()).ran).toEqual(['second']);
  expect(p.read('out/second')).toBe('dep 1.0.0');
});
