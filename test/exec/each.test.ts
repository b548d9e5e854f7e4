// Increments inside a node, by the real command line: which items are done is read from the log and from what the workers
// wrote down themselves.
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { createProject, type Project } from '../rigs/project.ts';

const open: Project[] = [];
afterEach(() => {
  for (const project of open.splice(0)) project.remove();
});

// A node with a file and a row an item. Each item leaves a line in a diary beside the project's own files, which no key knows.
const TASK = `
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export async function shout(name, at) {
  appendFileSync('diary.txt', name + '\\n');
  const text = readFileSync(path.join(at.input('words'), name), 'utf8');
  if (text.startsWith('fail')) throw new Error('cannot shout ' + text.trim());
  if (text.startsWith('soft')) {
    writeFileSync(path.join(at.output('loud'), name), '');
    return { problem: text.trim() };
  }
  writeFileSync(path.join(at.output('loud'), name), text.toUpperCase() + at.params.mark);
  return { length: text.trim().length };
}

export default {
  async run(ctx) {
    const folder = ctx.input('words');
    const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.txt')).sort();
    const results = await ctx.each(names, {
      key: (name) => name,
      inputs: (name) => [path.join(folder, name)],
      outputs: { loud: (name) => [name] },
      params: { mark: ctx.params.mark },
      unit: 'words',
    }, shout);
    const rows = [...results].map((row, i) => names[i] + ' ' + JSON.stringify(row));
    writeFileSync(ctx.output('table'), ctx.params.title + '\\n' + rows.join('\\n') + '\\n');
  },
};
`;

const PIPELINE = `
params: { title: Lengths, mark: "!" }
tasks:
  shout:
    use: tasks/shout.ts
    in: { words: words }
    params: { title: "\${title}", mark: "\${mark}" }
    out: { loud: out/loud, table: out/table.txt }
    resources: { cpu: 2 }
`;

function wordsProject(words: Record<string, string>): Project {
  const p = createProject({ 'pipeline.yml': PIPELINE, 'tasks/shout.ts': TASK, 'diary.txt': '' });
  for (const [name, text] of Object.entries(words)) p.write(`words/${name}.txt`, `${text}\n`);
  open.push(p);
  return p;
}

/** Runs, and gives the items that were done, sorted, and the lines of the node's log. */
async function done(p: Project, ...words: string[]): Promise<string[]> {
  p.write('diary.txt', '');
  const answer = await p.dag('run', ...words);
  if (answer.code !== 0) throw new Error(answer.stderr);
  return diary(p);
}

const diary = (p: Project) => p.read('diary.txt').split('\n').filter(Boolean).sort();
const log = async (p: Project) => (await p.dag('log', 'shout')).stdout;
const loud = (p: Project) =>
  Object.fromEntries(
    readdirSync(p.path('out/loud'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.txt'))
      .sort()
      .map((name) => [name, p.read(`out/loud/${name}`)]),
  );

/** What a build from nothing makes of the same project. */
async function expectAsAClean(p: Project): Promise<void> {
  const clean = createProject({ 'pipeline.yml': PIPELINE, 'tasks/shout.ts': p.read('tasks/shout.ts') });
  open.push(clean);
  for (const name of readdirSync(p.path('words'), { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.txt')) clean.write(`words/${name}`, p.read(`words/${name}`));
  }
  await done(clean);
  expect(loud(p)).toEqual(loud(clean));
  expect(p.read('out/table.txt')).toBe(clean.read('out/table.txt'));
  expect(readdirSync(p.path('out/loud')).sort()).toEqual(readdirSync(clean.path('out/loud')).sort());
}

describe('ctx.each', () => {
  test('does new and changed items only, and takes away what removed items made', async () => {
    const p = wordsProject({ a: 'one', b: 'two', c: 'three' });
    expect(await done(p)).toEqual(['a.txt', 'b.txt', 'c.txt']);
    expect(await log(p)).toContain('3 of 3 words are new or changed');
    expect(p.read('out/loud/b.txt')).toBe('TWO\n!');

    p.write('words/d.txt', 'four\n');
    p.write('words/a.txt', 'eleven\n');
    rmSync(p.path('words/b.txt'));
    expect(await done(p)).toEqual(['a.txt', 'd.txt']);
    expect(await log(p)).toContain('2 of 3 words are new or changed, 1 are gone');
    expect(Object.keys(loud(p))).toEqual(['a.txt', 'c.txt', 'd.txt']);
    expect(p.read('out/table.txt')).toBe('Lengths\na.txt {"length":6}\nc.txt {"length":5}\nd.txt {"length":4}\n');
    await expectAsAClean(p);
    expect(await done(p)).toEqual([]);
  });
});
void [appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync];
