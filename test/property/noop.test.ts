// The answer by stats alone (state/noop.ts) is the answer that the long way gives: after every kind of change it is not used,
// and without one it is.
import { chmodSync, existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import type { RunSummary } from '../../engine/model/event.ts';
import { createProject, type Project } from '../rigs/project.ts';

let p: Project;
afterEach(() => p?.remove());

const PIPELINE = `tasks:
  file: { run: "cat \${in.i} > \${out.o}", in: { i: source.txt }, out: { o: out/file }, env: [WORD] }
  folder: { run: "mkdir \${out.o}; cat \${in.d}/* > \${out.o}/all; cp \${in.i} \${out.o}/i", in: { d: data, i: "\${file.o}" }, out: { o: out/folder } }
  module: { use: tasks/module.ts, in: { i: source.txt }, out: { o: out/module } }
`;
const MODULE = `import { writeFileSync } from 'node:fs';
import { word } from './word.ts';
export default { run: (ctx: any) => writeFileSync(ctx.output('o'), word) };
`;

/** Runs until a run without work has left its answer: the clock has to move on from the last write first. */
async function settled(): Promise<RunSummary> {
  p = createProject({
    'pipeline.yml': PIPELINE,
    'source.txt': 'source\n',
    'data/a': 'a\n',
    'data/sub/b': 'b\n',
    'tasks/module.ts': MODULE,
    'tasks/word.ts': "export const word = 'one';\n",
  });
  p.edit('pipeline.yml', '/*', '/a');
  return settle();
}

async function settle(): Promise<RunSummary> {
  for (;;) {
    const summary = await p.run();
    if (summary.fresh.length === 3 && (await isByStats())) return summary;
  }
}

/** Whether the next run will be answered by stats: it then needs neither the modules nor the index, and opens neither. */
async function isByStats(): Promise<boolean> {
  if (!existsSync(p.path('.dag/quiet'))) return false;
  const before = readdirSync(p.path('.dag/quiet')).map((name) => statSync(p.path(`.dag/quiet/${name}`)).ino);
  await p.run();
  const after = readdirSync(p.path('.dag/quiet')).map((name) => statSync(p.path(`.dag/quiet/${name}`)).ino);
  // The long way writes its answer anew.
  return JSON.stringify(before) === JSON.stringify(after);
}

test('a run without work gives the same summary by stats as by the long way', async () => {
  const quiet = await settled();
  rmSync(p.path('.dag/quiet'), { recursive: true });
  const long = await p.run();
  expect({ ...quiet, seconds: 0 }).toEqual({ ...long, seconds: 0 });
});

/** The same size and time: only ctime tells. */
function rewrite(file: string, before: string, after: string): void {
  const { atimeMs, mtimeMs } = statSync(p.path(file));
  p.edit(file, before, after);
  utimesSync(p.path(file), atimeMs / 1000, mtimeMs / 1000);
}

const CHANGES: [string, () => unknown, Partial<RunSummary>][] = [
  ['a source edited', () => p.edit('source.txt', 'source', 'sourced'), { ran: ['file', 'module', 'folder'] }],
  [
    'a source edited and its time put back',
    () => rewrite('source.txt', 'source', 'edited'),
    { ran: ['file', 'module', 'folder'] },
  ],
  ['a file in a source folder edited', () => rewrite('data/sub/b', 'b', 'c'), { ran: ['folder'] }],
  ['a file added deep in a source folder', () => p.write('data/sub/new', ''), { ran: ['folder'] }],
  ['a file removed from a source folder', () => rmSync(p.path('data/sub/b')), { ran: ['folder'] }],
  ['a source made executable', () => chmodSync(p.path('data/a'), 0o755), { ran: ['folder'] }],
  ['an output edited', () => rewrite('out/file', 'source', 'edited'), { restored: ['file'] }],
  ['a file in an output folder edited', () => rewrite('out/folder/i', 'source', 'edited'), { restored: ['folder'] }],
  ['an output removed', () => rmSync(p.path('out/module')), { restored: ['module'] }],
  ['code edited', () => p.edit('tasks/word.ts', 'one', 'two'), { ran: ['module'] }],
  [
    'a comment edited',
    () => p.edit('tasks/word.ts', 'export', '// Words.\nexport'),
    { fresh: ['file', 'folder', 'module'] },
  ],
  ['the pipeline edited', () => p.edit('pipeline.yml', 'cat ${in.i} >', 'cat < ${in.i} >'), { ran: ['file'] }],
  ['the index removed', () => rmSync(p.path('.dag/v1'), { recursive: true }), { ran: ['file', 'folder', 'module'] }],
];

test.each(CHANGES)('after %s it is not used', async (_, change, expected) => {
  await settled();
  change();
  const { ran, restored, fresh } = await p.run();
  const found = { ran, restored, fresh };
  for (const [name, nodes] of Object.entries(expected) as [keyof typeof found, string[]][])
    expect([...found[name]].sort()).toEqual([...nodes].sort());
});

test('another value of a declared variable, another selector and --force are other requests', async () => {
  await settled();
  expect(await p.with({ WORD: 'x' }).run()).toMatchObject({ ran: ['file'] });
  expect((await p.run('module')).fresh).toEqual(['module']);
  expect((await p.run('--force', 'module')).ran).toEqual(['module']);
});
