// accept: a person's word that a change of code leaves results valid, and what it must not be given for.
import { expect, test } from 'vitest';
import { openProject, type Project } from '../rigs/project.ts';

function chain(): Project {
  return openProject({
    'pipeline.yml': `
params: { n: 1 }
tasks:
  first: { use: first.ts, in: { x: raw.txt }, params: { n: "\${n}" }, out: { x: out/first } }
  second: { use: second.ts, in: { x: "\${first.x}" }, out: { x: out/second } }
  third: { run: "cp \${in.x} \${out.x}", in: { x: "\${second.x}" }, out: { x: out/third } }
`,
    'raw.txt': 'raw\n',
    'first.ts': task('one'),
    'second.ts': task('two'),
  });
}

const task = (word: string) => `
import { readFileSync, writeFileSync } from 'node:fs';
export default {
  run(ctx: any) {
    ctx.log('working');
    writeFileSync(ctx.output('x'), readFileSync(ctx.input('x'), 'utf8') + '${word}\\n');
  },
};
`;

const WHY = 'only a log line changed';

test('an accepted change of code leaves the node and all that needs it fresh, in why and history for ever', async () => {
  const p = chain();
  await p.run();
  p.edit('first.ts', "'working'", "'working hard'");
  expect((await p.status()).map(({ state }) => state)).toEqual(['stale', 'stale', 'stale']);
  const answer = await p.dag('accept', 'first', '--reason', WHY);
  expect(answer.code).toBe(0);
  expect(answer.stderr).toContain(`first keeps its result: ${WHY}`);
  expect(await p.run()).toMatchObject({ ran: [], restored: [], fresh: ['first', 'second', 'third'] });
  const why = (await p.dag('why', 'first')).stdout;
  expect(why).toContain(`: ${WHY}`);
  expect(why).toMatch(/code first\.ts: [0-9a-f]{12} → [0-9a-f]{12}/);
  // A new result does not make the old word unsaid.
  await p.run('--set', 'n=2');
  expect((await p.dag('history', 'first')).stdout).toContain(WHY);
  await p.run();
  expect((await p.dag('why', 'first')).stdout).toContain(WHY);
});

test('two accepted changes are both told, and the record names who, when and both keys', async () => {
  const p = chain();
  await p.run();
  p.edit('first.ts', "'working'", "'working hard'");
  await p.dag('accept', 'first', '--reason', 'one');
  p.edit('first.ts', 'working hard', 'working harder');
  await p.dag('accept', 'first', '--reason', 'two');
  const { accepted } = JSON.parse((await p.dag('why', 'first', '--json')).stdout);
  expect(accepted).toMatchObject([
    { reason: 'one' },
    { reason: 'two', by: expect.any(String), at: expect.any(String) },
  ]);
  expect(accepted[1].from).toBe(accepted[0].to);
});

test('a selector accepts every stale node that it names, in order', async () => {
  const p = chain();
  await p.run();
  p.edit('first.ts', "'working'", "'a'");
  p.edit('second.ts', "'working'", "'b'");
  const alone = await p.dag('accept', 'second', '--reason', WHY);
  expect(alone.code).toBe(2);
  expect(alone.stderr).toContain('first, which is needed before, is stale itself');
  expect((await p.dag('accept', 'first', 'second', '--reason', WHY)).code).toBe(0);
  expect((await p.run()).ran).toEqual([]);
});

test('a changed parameter or input beside the code is refused by name, and nothing is recorded', async () => {
  const p = chain();
  await p.run();
  p.edit('first.ts', "'working'", "'working hard'");
  const param = await p.dag('accept', 'first', '--reason', WHY, '--set', 'n=2');
  expect(param.code).toBe(2);
  expect(param.stderr).toContain('not only its code changed');
  expect(param.stderr).toContain('parameter n: 1 → 2');
  p.write('raw.txt', 'other\n');
  const input = await p.dag('accept', 'first', '--reason', WHY);
  expect(input.code).toBe(2);
  expect(input.stderr).toContain('input raw.txt');
  p.write('raw.txt', 'raw\n');
  expect((await p.run()).ran).toEqual(['first']);
});

test('there has to be a reason, an earlier result, and a change', async () => {
  const p = chain();
  expect((await p.dag('accept', 'first', '--reason', WHY)).stderr).toContain('has no earlier result');
  await p.run();
  expect((await p.dag('accept', 'first', '--reason', WHY)).stderr).toContain('there is nothing to accept');
  p.edit('first.ts', "'working'", "'x'");
  expect((await p.dag('accept', 'first')).stderr).toContain('say why the results stay valid');
});
