// The environment of tasks: what their text names is in the key, language and time zone are nobody's, and what a module reads without
// declaring it is told.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { openProject, type Project } from '../../rigs/project.ts';

const MANY = {
  LC_ALL: 'de_DE.UTF-8',
  LANG: 'de_DE.UTF-8',
  LANGUAGE: 'de',
  LC_NUMERIC: 'de_DE.UTF-8',
  TZ: 'Asia/Tokyo',
};

test('two values of a variable that a command names are two results, and `why` tells both', async () => {
  const p = openProject({
    'pipeline.yml':
      "tasks: { t: { run: 'echo $WORD $${NOT_SET:-none} > ${out.o}', out: { o: out/o } }, u: { run: 'echo > ${out.o}', out: { o: out/u } } }\n",
  });
  const [one, two] = [p.with({ WORD: 'one' }), p.with({ WORD: 'two' })];
  expect((await one.run()).ran.toSorted()).toEqual(['t', 'u']);
  expect((await two.dag('why', 't')).stdout).toContain('variable WORD: one → two');
  expect((await two.run()).ran).toEqual(['t']);
  expect(p.read('out/o')).toBe('two none\n');
  expect((await one.run()).restored).toEqual(['t']);
  // Until the answer comes by stats alone.
  for (let looks = 0; looks < 3; looks++) expect((await one.run()).fresh).toHaveLength(2);
  expect((await two.run()).restored).toEqual(['t']);
  expect((await two.with({ NOT_SET: '1' }).run()).ran).toEqual(['t']);
  expect((await two.with({ OTHER: '1', HOME: '/' }).run()).restored).toEqual(['t']);
});

const LOOK = 'echo "${LC_ALL-} $LANG ${LANGUAGE-none} ${LC_NUMERIC-none} $TZ $(date -d @0 +%H)" > ${out.o}'.replace(
  /\$\{(?=L)/g,
  '$$${',
);

test('language and time zone are the same for whoever runs a task, but for what it declares', async () => {
  const p = openProject({
    'pipeline.yml': `
tasks:
  shell: { run: '${LOOK}', out: { o: out/shell } }
  cold: { run: '${LOOK}; true & wait', out: { o: out/cold } }
  module: { use: t.ts, out: { o: out/module } }
  # Warm shells are used again: what one command declares is not the next one's.
  declared: { run: '${LOOK}', env: [TZ, LC_NUMERIC], out: { o: out/declared } }
  after: { run: '${LOOK} # again', in: { i: '\${declared.o}' }, out: { o: out/after } }
`,
    't.ts': `import { writeFileSync } from 'node:fs';
const { LC_ALL, LANG, LANGUAGE = 'none', LC_NUMERIC = 'none', TZ } = process.env;
export default { run: (ctx: any) => writeFileSync(ctx.output('o'), [LC_ALL, LANG, LANGUAGE, LC_NUMERIC, TZ, String(new Date(0).getHours()).padStart(2, '0')].join(' ') + '\\n') };`,
  });
  const answer = await p.with(MANY).dag('run', '--jobs', '1');
  expect(answer.code, answer.stderr).toBe(0);
  expect(answer.stderr).not.toContain('without declaring it');
  const same = 'C.UTF-8 C.UTF-8 none none UTC 00\n';
  for (const name of ['shell', 'cold', 'module', 'after']) expect(p.read(`out/${name}`), name).toBe(same);
  expect(p.read('out/declared')).toBe(' C.UTF-8 none de_DE.UTF-8 Asia/Tokyo 09\n');
});

test('the versions that tools print are those that everybody gets', async () => {
  const p = openProject({
    'pipeline.yml':
      "tasks: { t: { run: 'echo > ${out.o}', out: { o: out/o }, tools: { look: 'echo $LC_ALL $TZ' } } }\n",
  });
  await p.with(MANY).run();
  expect((await p.with({ TZ: 'UTC' }).run()).fresh).toEqual(['t']);
});

test('a name of the command’s own is not exported because the caller has exported it', async () => {
  const p = openProject({
    'pipeline.yml':
      'tasks: { t: { run: "A=1; printenv A > ${out.o} || echo none > ${out.o}; export B=2; printenv B >> ${out.o}", out: { o: out/o } } }\n',
  });
  await p.with({ A: 'mine', B: 'mine' }).run();
  expect(p.read('out/o')).toBe('none\n2\n');
  expect((await p.run()).fresh).toEqual(['t']);
});

test('the value of a secret is nowhere to be found, and another one is another key', async () => {
  const p = openProject({
    'pipeline.yml': `
tasks:
  named: { run: 'echo $MY_TOKEN | wc -c > \${out.o}', out: { o: out/named } }
  declared: { run: 'echo > \${out.o}', env: [MY_TOKEN], out: { o: out/declared } }
`,
  });
  await p.with({ MY_TOKEN: 'hush-hush-1' }).run();
  const other = p.with({ MY_TOKEN: 'hush-hush-2' });
  const { stdout } = await other.dag('why', 'named');
  expect(stdout).toMatch(/variable MY_TOKEN: sha256:[0-9a-f]{12} → sha256:[0-9a-f]{12}\n/);
  expect((await other.run()).ran).toHaveLength(2);
  expect((await other.run()).fresh).toHaveLength(2);
  const found = execFileSync('sh', ['-c', 'grep -rla hush-hush . || true'], { cwd: p.root, encoding: 'utf8' });
  expect(found).toBe('');
});

const told = (stderr: string) =>
  stderr
    .split('\n')
    .flatMap((line) => /it reads the environment variable (\w+)/.exec(line)?.slice(1) ?? [])
    .sort();

/** What a module with this at its top, and in its `run`, is told to declare. */
async function toldOf(top: string, run: string, files: Record<string, string> = {}): Promise<string[]> {
  const p: Project = openProject({
    'pipeline.yml': 'tasks: { t: { use: t.ts, out: { o: out/o }, env: [GIVEN] } }\n',
    't.ts': `import { writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
${top}
export default { async run(ctx: any) { ${run}; writeFileSync(ctx.output('o'), 'x'); } };`,
    ...files,
  });
  const answer = await p.dag('run');
  expect(answer.code, answer.stderr).toBe(0);
  return told(answer.stderr);
}

test.each([
  ['by its name', '', 'process.env.A; process.env["B"]; process.env[["C"].join()]', ['A', 'B', 'C']],
  ['when it is loaded', 'const level = process.env.A;', 'level', ['A']],
  ['taken apart, and asked for', '', 'const { A, ...rest } = process.env; "B" in process.env', ['A', 'B']],
  [
    'by another way to it',
    'import { env } from "node:process"; import own from "process";',
    'env.A; own.env.B',
    ['A', 'B'],
  ],
  ['often', '', 'for (let i = 0; i < 100; i++) process.env.A', ['A']],
])('a variable that a module reads %s is told once', async (_, top, run, names) => {
  expect(await toldOf(top, run)).toEqual(names);
});

test('what it declares, what is the machine’s, what it sets itself and what is handed on are no matter', async () => {
  const run = `process.env.GIVEN; ctx.env.GIVEN; process.env.HOME; process.env.PATH; process.env.TZ; process.env.DAG_CORES;
    process.env.MINE = '1'; process.env.MINE; process.env.hasOwnProperty('X'); delete process.env.MINE;
    spawnSync('true', { env: { ...process.env, MORE: '1' } }); spawnSync('true'); Object.entries(process.env);
    JSON.stringify(process.env); for (const name in process.env) process.env[name]; Object.assign({}, process.env)`;
  expect(await toldOf('', run)).toEqual([]);
});

test('what a package asks for is not the task’s doing, unless the task asks too', async () => {
  const lib = {
    'node_modules/lib/package.json': '{ "name": "lib", "version": "1.0.0" }',
    'node_modules/lib/index.js': 'exports.ask = () => process.env.A + process.env.B;',
  };
  expect(await toldOf("import { ask } from 'lib';", 'ask(); ask(); process.env.B', lib)).toEqual(['B']);
});

const WITH_ITEMS = `import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
export function item(name: string, at: any) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40);
  if (!isMainThread) process.env.IN_A_THREAD;
  return [isMainThread, at.env.GIVEN];
}
export default { async run(ctx: any) {
  const items = Array.from({ length: 30 }, (_, at) => String(at));
  const done = [...await ctx.each(items, { key: (name: string) => name, inputs: () => [] }, item)];
  writeFileSync(ctx.output('o'), JSON.stringify({ given: ctx.env.GIVEN, done }));
} };`;

test('ctx.env has what is declared, for items too, in threads as well, where what is read is told', async () => {
  const p = openProject({
    'pipeline.yml': 'tasks: { t: { use: t.ts, out: { o: out/o }, env: [GIVEN], resources: { cpu: 2 } } }\n',
    't.ts': WITH_ITEMS,
  }).with({ GIVEN: 'yes', NOT_DECLARED: 'no' });
  expect(told((await p.dag('run')).stderr)).toEqual(['IN_A_THREAD']);
  const { given, done } = JSON.parse(p.read('out/o')) as { given: string; done: [boolean, string][] };
  expect(given).toBe('yes');
  expect(new Set(done.map(([isMain]) => isMain))).toEqual(new Set([true, false]));
  expect(new Set(done.map(([, value]) => value))).toEqual(new Set(['yes']));
});

test('a variable that is not declared is a mistake in ctx.env, one that is not set is none', async () => {
  const p = openProject({
    'pipeline.yml': 'tasks: { t: { use: t.ts, out: { o: out/o }, env: [GIVEN] } }\n',
    't.ts':
      "import { writeFileSync } from 'node:fs';\nexport default { run: (ctx: any) => { writeFileSync(ctx.output('o'), `${ctx.env.GIVEN} ${JSON.stringify(ctx.env)}`); ctx.env.GIVNE; } };\n",
  });
  const answer = await p.dag('run');
  expect(answer.code).toBe(1);
  expect(answer.stderr).toContain('the task reads ctx.env.GIVNE, which its `env:` in pipeline.yml does not declare');
  p.edit('t.ts', ' ctx.env.GIVNE;', '');
  await p.run();
  expect(p.read('out/o')).toBe('undefined {}');
});
