// watch: an edit reruns what it reaches, while a run goes on too, and nothing else is disturbed.
import { readdirSync, readFileSync, renameSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createProject, type Project } from '../rigs/project.ts';
import { began, go, handHeld, start, until } from './rig.ts';

const open: { project: Project; stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const { project, stop } of open.splice(0)) {
    await stop();
    project.remove();
  }
});

const watching = (files: Record<string, string>, ...words: string[]) => watchIn(createProject(files), ...words);

function watchIn(project: Project, ...words: string[]) {
  const watch = start(project, 'watch', ...words);
  const stop = () => {
    watch.child.kill('SIGINT');
    return watch.ended;
  };
  open.push({ project, stop });
  const idle = (times: number) => until(() => watch.printed.stderr.split('Ctrl-C ends').length > times);
  return { project, watch, stop, idle };
}

const module = (word: string) => `
import { writeFileSync } from 'node:fs';
import { mark } from './mark.ts';
export default { run(ctx: any) { writeFileSync(ctx.output('x'), mark('${word}')); } };
`;

const PIPELINE = {
  'pipeline.yml': `
tasks:
  a: { use: a.ts, in: { raw: raw.txt }, out: { x: out/a } }
  b: { use: b.ts, out: { x: out/b } }
  c: { run: "cat \${in.x} > \${out.x}", in: { x: ["\${a.x}", "\${b.x}"] }, out: { x: out/c } }
`,
  'raw.txt': 'raw\n',
  'a.ts': module('a'),
  'b.ts': module('b').replace("import { mark } from './mark.ts';", 'const mark = (word: string) => word;'),
  'mark.ts': 'export const mark = (word: string) => word;\n',
};

const ranIn = (text: string) => [...text.matchAll(/✔ (\S+)/g)].map((match) => match[1]);

test('an edit of code, of the file and of a small input reruns what it reaches, only; a comment nothing', async () => {
  const { project: p, watch, stop, idle } = watching(PIPELINE);
  await idle(1);
  expect(ranIn(watch.printed.stderr).sort()).toEqual(['a', 'b', 'c']);
  const since = async (round: number) => {
    const before = watch.printed.stderr.length;
    await idle(round);
    return ranIn(watch.printed.stderr.slice(before));
  };
  p.edit('mark.ts', '=> word', "=> word + '!'");
  expect(await since(2)).toEqual(['a', 'c']);
  p.edit('b.ts', 'const mark', '// A comment.\nconst mark');
  expect(await since(3)).toEqual([]);
  p.write('raw.txt', 'other\n');
  expect(await since(4)).toEqual(['a']);
  // As editors save: a new file, renamed over the old one.
  p.write('.new', p.read('pipeline.yml').replace('cat ${in.x}', 'cat ${in.x} raw.txt'));
  renameSync(p.path('.new'), p.path('pipeline.yml'));
  expect(await since(5)).toEqual(['c']);
  expect(await stop()).toBe(0);
});

test('what does not load or build is told, and mending it goes on', async () => {
  const { project: p, watch, idle } = watching(PIPELINE);
  await idle(1);
  p.edit('mark.ts', '=> word', '=> (word');
  await idle(2);
  expect(watch.printed.stderr).toContain('does not build');
  p.edit('pipeline.yml', 'tasks:', 'taks:');
  await idle(3);
  expect(watch.printed.stderr).toContain('pipeline.yml:2:1');
  p.edit('pipeline.yml', 'taks:', 'tasks:');
  await idle(4);
  const before = watch.printed.stderr.length;
  p.edit('mark.ts', '=> (word', "=> word + '?'");
  await idle(5);
  expect(ranIn(watch.printed.stderr.slice(before))).toEqual(['a', 'c']);
});

/** Beside a node that the test lets go, one whose task waits to be stopped as long as its word is `old`. */
const BESIDE = {
  'pipeline.yml': `
params: { size: 1 }
tasks:
  steady: { run: "${handHeld('steady')}; date +%N > \${out.x}", out: { x: out/steady } }
  early: { use: edited.ts, params: { size: 1, early: true }, out: { x: out/early } }
  edited: { use: edited.ts, params: { size: "\${size}" }, in: { x: "\${early.x}" }, out: { x: out/edited } }
  late: { run: "cat \${in.x} > \${out.x}", in: { x: "\${edited.x}" }, out: { x: out/late } }
`,
  'edited.ts': `
import { writeFileSync } from 'node:fs';
const WORD = 'old';
export default {
  async run(ctx: any) {
    if (!ctx.params.early) {
      writeFileSync('.edited-began', '');
      if (WORD === 'old' && ctx.params.size === 1)
        await new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)));
    }
    writeFileSync(ctx.output('x'), WORD + ctx.params.size);
  },
};
`,
};

const startedIn = (p: Project) =>
  readdirSync(p.path('.dag/runs'))
    .sort()
    .map((name) =>
      readFileSync(p.path(`.dag/runs/${name}`), 'utf8')
        .split('\n')
        .filter((line) => line.includes('"node-started"'))
        .map((line) => JSON.parse(line).node),
    );

test('an edit while a run goes on begins the nodes that it reaches again at once, also those that were done, and no others', async () => {
  const { project: p, watch, idle } = watching(BESIDE, '--jobs', '2');
  await began(p, 'steady');
  await began(p, 'edited');
  expect(p.read('out/early')).toBe('old1');
  p.edit('edited.ts', "'old'", "'new'");
  await until(() => watch.printed.stderr.includes('✔ late'));
  expect(watch.printed.stderr).toContain('edited edited.ts: 2 nodes have to run again');
  expect(watch.printed.stderr).toContain('edited 0.');
  expect(watch.printed.stderr).toContain('begins again with its new code');
  expect(p.read('out/early')).toBe('new1');
  expect(p.read('out/late')).toBe('new1');
  go(p, 'steady');
  await idle(1);
  expect(watch.printed.stderr).toContain('4 ran, 0 fresh in');
  expect(startedIn(p).map((names) => names.sort())).toEqual([['early', 'early', 'edited', 'edited', 'late', 'steady']]);
  expect((await p.run()).fresh).toHaveLength(4);
});

test('so does an edit of a parameter, and then one of code that a node was fresh with when the run began', async () => {
  const p = createProject(BESIDE);
  expect((await p.run('early')).ran).toEqual(['early']);
  const { watch, idle } = watchIn(p, '--jobs', '2');
  await began(p, 'edited');
  p.edit('pipeline.yml', 'size: 1', 'size: 2');
  await until(() => watch.printed.stderr.includes('✔ late'));
  expect(p.read('out/late')).toBe('old2');
  expect(ranIn(watch.printed.stderr)).toEqual(['edited', 'late']);
  p.edit('edited.ts', "'old'", "'new'");
  await until(() => watch.printed.stderr.split('✔ late').length > 2);
  expect(p.read('out/late')).toBe('new2');
  go(p, 'steady');
  await idle(1);
  expect(ranIn(watch.printed.stderr)).toEqual(['edited', 'late', 'early', 'edited', 'late', 'steady']);
  expect((await p.run()).fresh).toHaveLength(4);
});

test('a node that is queued when a package is swapped beside an edit is not recorded with what the new package made', async () => {
  const install = (version: string) => {
    p.write('node_modules/dep/package.json', JSON.stringify({ name: 'dep', version }));
    p.write('node_modules/dep/index.js', `exports.word = 'dep ${version}';`);
  };
  const p = createProject({
    'pipeline.yml': `
tasks:
  steady: { run: "${handHeld('steady')}; echo > \${out.x}", out: { x: out/steady } }
  last: { run: "cp \${in.x} \${out.x}", in: { x: "\${steady.x}" }, out: { x: out/last } }
  queued: { use: queued.ts, out: { x: out/queued } }
  edited: { use: b.ts, out: { x: out/edited } }
`,
    'queued.ts': module('queued')
      .replace("{ mark } from './mark.ts'", "{ word } from 'dep'")
      .replace("mark('queued')", 'word'),
    'b.ts': PIPELINE['b.ts'],
  });
  install('1.0.0');
  const { watch, idle } = watchIn(p, '--jobs', '1');
  await began(p, 'steady');
  install('2.0.0');
  p.edit('b.ts', "'b'", "'new'");
  await until(() => watch.printed.stderr.includes('to run again'));
  go(p, 'steady');
  await idle(1);
  expect(p.read('out/queued')).toBe('dep 2.0.0');
  install('1.0.0');
  await idle(2);
  expect(p.read('out/queued')).toBe('dep 1.0.0');
});

/** With the old code `edited` fails; `broken` fails in any case, and `blocked` is to come after it. */
const FAILING = {
  'pipeline.yml': `
tasks:
  steady: { run: "${handHeld('steady')}; echo > \${out.x}", out: { x: out/steady } }
  edited: { use: edited.ts, out: { x: out/edited } }
  then: { run: "cp \${in.x} \${out.x}", in: { x: "\${edited.x}" }, out: { x: out/then } }
  broken: { run: "exit 1", out: { x: out/broken } }
  blocked: { use: edited.ts, after: [broken], out: { x: out/blocked } }
`,
  'edited.ts': `
import { writeFileSync } from 'node:fs';
const WORD = 'old';
export default {
  run(ctx: any) {
    if (WORD === 'old') throw new Error('old');
    writeFileSync(ctx.output('x'), WORD);
  },
};
`,
};

test.each([
  { selectors: ['steady', 'then'], ok: true, counts: '3 ran, 0 fresh in' },
  { selectors: [], ok: false, counts: '3 ran, 0 fresh, 1 failed, 1 not run because of it in' },
])('with --keep-going an edit mends nodes that failed, and not those behind others: ok $ok', async (expected) => {
  const { project: p, watch, idle } = watching(FAILING, ...expected.selectors, '--keep-going', '--jobs', '2');
  await began(p, 'steady');
  await until(
    () => watch.printed.stderr.includes('✖ edited') && (expected.ok || watch.printed.stderr.includes('✖ broken')),
  );
  p.edit('edited.ts', "'old'", "'new'");
  await until(() => watch.printed.stderr.includes('✔ then'));
  go(p, 'steady');
  await until(() => watch.printed.stderr.includes(expected.counts));
  await idle(1);
  const [run] = readdirSync(p.path('.dag/runs')).sort();
  expect(p.read(`.dag/runs/${run}`)).toContain(`"ok":${expected.ok}`);
  expect(startedIn(p)[0]).not.toContain('blocked');
});

test('code that does not build stops nothing; once it does again, the node is begun again', async () => {
  const { project: p, watch, idle } = watching(BESIDE, '--jobs', '2');
  await began(p, 'edited');
  p.edit('edited.ts', "'old'", "'new");
  await until(() => watch.printed.stderr.includes('edited.ts: it does not load or build, so running nodes go on'));
  expect(watch.printed.stderr).not.toContain('begins again');
  p.edit('edited.ts', "'new", "'new'");
  await until(() => watch.printed.stderr.includes('✔ late'));
  go(p, 'steady');
  await idle(1);
  expect(p.read('out/late')).toBe('new1');
});

test('an edit that makes another graph ends the run once the nodes that it does not reach have ended, and runs the new one', async () => {
  const { project: p, watch, idle } = watching(BESIDE, '--jobs', '2');
  await began(p, 'steady');
  await began(p, 'edited');
  p.edit('pipeline.yml', 'size: 1', 'size: 4');
  p.edit('pipeline.yml', '\n  late:', '\n  more: { run: "echo > ${out.x}", out: { x: out/more } }\n  late:');
  await until(() => watch.printed.stderr.includes('begins again with its new code'));
  go(p, 'steady');
  await idle(1);
  expect(p.read('out/late')).toBe('old4');
  const ends = readdirSync(p.path('.dag/runs'))
    .sort()
    .map((name) => /"ok":(true|false)/.exec(p.read(`.dag/runs/${name}`))![1]);
  expect(ends).toEqual(['false', 'true']);
  expect(startedIn(p).map((names) => names.sort())).toEqual([
    ['early', 'edited', 'steady'],
    ['edited', 'late', 'more'],
  ]);
});

test('what depends on an edited node is not begun with what the node made before', async () => {
  const {
    project: p,
    watch,
    idle,
  } = watching({
    'pipeline.yml': `
tasks:
  made: { use: made.ts, out: { x: out/made } }
  slow: { run: "${handHeld('slow')}; cp \${in.x} \${out.x}", in: { x: "\${made.x}" }, out: { x: out/slow } }
  last: { run: "cat \${in.x} > \${out.x}", in: { x: ["\${made.x}", "\${slow.x}"] }, out: { x: out/last } }
`,
    'made.ts': module('old').replace("import { mark } from './mark.ts';", 'const mark = (word: string) => word;'),
  });
  await began(p, 'slow');
  p.edit('made.ts', "'old'", "'new'");
  await until(() => watch.printed.stderr.includes('edited made.ts: 1 node has to run again'));
  go(p, 'slow');
  await idle(1);
  expect(ranIn(watch.printed.stderr)).toEqual(['made', 'slow', 'made', 'slow', 'last']);
  expect(p.read('out/last')).toBe('newnew');
});
