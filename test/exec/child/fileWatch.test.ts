// What a module task opens without having declared it is told, with what to add; what it may open is not.
import { afterEach, expect, test } from 'vitest';
import { createProject, type Project } from '../../rigs/project.ts';

let p: Project;
afterEach(() => p?.remove());

async function warningsOf(body: string): Promise<string[]> {
  p = createProject({
    'pipeline.yml': 'tasks: { t: { use: t.ts, in: { i: in, j: single.txt }, out: { o: out/o } } }\n',
    't.ts': `import { appendFileSync, copyFileSync, createReadStream, existsSync, mkdirSync, openSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import fs from 'node:fs';
export default { async run(ctx: any) { writeFileSync(ctx.output('o'), 'x'); ${body} } };`,
    'in/a/b': 'b',
    'single.txt': 's',
    'secret.csv': 'secret',
  });
  const answer = await p.dag('run');
  expect(answer.code).toBe(0);
  return answer.stderr.split('\n').filter((line) => line.includes('without declaring it'));
}

test('reading inputs, writing outputs and scratch, and asking whether a file is there are no matter', async () => {
  const body = `readFileSync(ctx.input('i') + '/a/b'); readdirSync(ctx.input('i')); await readFile(ctx.input('j'));
    writeFileSync(ctx.scratch + '/s', ''); readFileSync(ctx.output('o')); existsSync('secret.csv'); readFileSync('/etc/hosts');`;
  expect(await warningsOf(body)).toEqual([]);
});

test.each([
  ["readFileSync('secret.csv');"],
  ["await readFile('secret.csv');"],
  ["fs.readFileSync(new URL('file://' + process.cwd() + '/secret.csv'));"],
  ["openSync('secret.csv', 'r');"],
  ["for await (const _ of createReadStream('secret.csv'));"],
  ["copyFileSync('secret.csv', ctx.scratch + '/copy');"],
])('%s is told as a read', async (body) => {
  const warnings = await warningsOf(body);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain(
    'it reads secret.csv without declaring it: a change there would go unnoticed; add it to `in:`',
  );
});

test.each([
  ["writeFileSync('more.txt', '');", 'more.txt'],
  ["appendFileSync('secret.csv', '');", 'secret.csv'],
  ["mkdirSync('other');", 'other'],
  ["openSync('more.txt', 'w');", 'more.txt'],
])('%s is told as a write', async (body, file) => {
  const warnings = await warningsOf(body);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain(`it writes ${file} without declaring it`);
});
