// Increments inside a node, by the real command line: which items are done is read from the log and from what the workers
// wrote down themselves.
import { spawn } from 'node:child_process';
import { chmodSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { orphanTasks } from '../../cli/rig.ts';
import { DAG, openProject, type Project } from '../../rigs/project.ts';

// A node with a file and a row an item. Each item leaves a line in a diary beside the project's files, which no key knows.
// An item whose text begins with "wait" waits until the file go/now is there; one that begins with "hold" does nothing else.
const TASK = `
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import path from 'node:path';
import { threadId } from 'node:worker_threads';

const FOLDER = 'go';

function untilGo() {
  return new Promise((resolve) => {
    const watcher = watch(FOLDER, () => check());
    const check = () => {
      if (!existsSync(FOLDER + '/now')) return;
      watcher.close();
      resolve();
    };
    check();
  });
}

export async function shout(name, at) {
  const text = readFileSync(path.join(at.input('words'), name), 'utf8').trim();
  if (text.startsWith('wait')) {
    writeFileSync(FOLDER + '/pid', String(process.pid));
    await untilGo();
  }
  if (text.startsWith('hold')) {
    writeFileSync(FOLDER + '/pid', String(process.pid));
    while (!existsSync(FOLDER + '/now')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
  appendFileSync('diary.txt', name + ' ' + threadId + '\\n');
  if (text.startsWith('end') && threadId > 0) process.exit(3);
  if (text.startsWith('fail')) throw new Error('cannot shout ' + text);
  if (text.startsWith('soft')) {
    writeFileSync(path.join(at.output('loud'), name), '');
    return { problem: text };
  }
  let digest = text;
  for (let i = 0; i < at.params.rounds; i++) digest = createHash('sha256').update(digest).digest('hex');
  writeFileSync(path.join(at.output('loud'), name), text.toUpperCase() + at.params.mark);
  return { length: text.length, digest };
}

export default {
  async run(ctx) {
    const { title, mark, rounds } = ctx.params;
    const folder = ctx.input('words');
    const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.txt')).sort();
    const results = await ctx.each(names, {
      key: (name) => name,
      inputs: (name) => [path.join(folder, name)],
      outputs: { loud: (name) => [name] },
      params: { mark, rounds },
      unit: 'words',
    }, shout);
    const rows = [...results].map((row, i) => names[i] + ' ' + JSON.stringify(row));
    writeFileSync(ctx.output('table'), [title, ...rows].join('\\n'));
  },
};
`;

const PIPELINE = `
params: { title: Lengths, mark: "!", rounds: 0 }
tasks:
  shout:
    use: tasks/shout.ts
    in: { words: words }
    params: { title: "\${title}", mark: "\${mark}", rounds: "\${rounds}" }
    out: { loud: out/loud, table: out/table.txt }
    resources: { cpu: 2 }
`;

function wordsProject(words: Record<string, string>): Project {
  const p = openProject({ 'pipeline.yml': PIPELINE, 'tasks/shout.ts': TASK, 'diary.txt': '', 'go/ready': '' });
  for (const [name, text] of Object.entries(words)) p.write(`words/${name}.txt`, text);
  return p;
}

/** Runs, and gives the items that were done, sorted. */
async function done(p: Project, ...words: string[]): Promise<string[]> {
  p.write('diary.txt', '');
  const answer = await p.dag('run', ...words);
  if (answer.code !== 0) throw new Error(answer.stderr);
  return diary(p);
}

const lines = (p: Project) => p.read('diary.txt').split('\n').filter(Boolean);
const diary = (p: Project) =>
  lines(p)
    .map((line) => line.split(' ')[0]!)
    .sort();
const log = async (p: Project) => (await p.dag('log', 'shout')).stdout;
const summary = async (p: Project) => /^.* words are new or changed.*$/m.exec(await log(p))?.[0];
const filesIn = (p: Project, folder: string) =>
  readdirSync(p.path(folder), { recursive: true, encoding: 'utf8' })
    .map((name) => name.split(path.sep).join('/'))
    .sort();
const artifacts = (p: Project) => ({
  folder: filesIn(p, 'out/loud'),
  loud: filesIn(p, 'out/loud')
    .filter((name) => name.endsWith('.txt'))
    .map((name) => p.read(`out/loud/${name}`)),
  table: p.read('out/table.txt'),
});

/** What a build from nothing makes of the same words. */
async function expectAsAClean(p: Project): Promise<void> {
  const clean = wordsProject({});
  clean.write('go/now', '');
  clean.write('tasks/shout.ts', p.read('tasks/shout.ts'));
  clean.write('pipeline.yml', p.read('pipeline.yml'));
  for (const name of filesIn(p, 'words'))
    if (name.endsWith('.txt')) clean.write(`words/${name}`, p.read(`words/${name}`));
  await done(clean);
  expect(artifacts(p)).toEqual(artifacts(clean));
}

interface Waiting {
  /** Ends the engine and the node's process. */
  kill(): Promise<void>;
  /** Ends the engine and its guard alone. */
  orphan(): Promise<void>;
  /** Lets the item go on; gives the exit code. */
  go(): Promise<number | null>;
}

/** Starts a run, and resolves when an item waits. */
async function untilItWaits(p: Project): Promise<Waiting> {
  for (const old of ['now', 'pid']) rmSync(p.path(`go/${old}`), { force: true });
  const engine = spawn(process.execPath, [DAG, 'run'], {
    cwd: p.root,
    stdio: 'ignore',
  });
  const ended = new Promise<number | null>((resolve) => engine.on('exit', resolve));
  const pid = await appears(p, 'pid');
  return {
    async kill() {
      engine.kill('SIGKILL');
      endProcess(Number(pid));
      await ended;
    },
    async orphan() {
      orphanTasks(engine);
      await ended;
    },
    go() {
      p.write('go/now', '');
      return ended;
    },
  };
}

/** It may have noticed already that the engine is gone. */
function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function appears(p: Project, name: string): Promise<string> {
  return new Promise((resolve) => {
    const check = () => {
      if (!filesIn(p, 'go').includes(name) || p.read(`go/${name}`) === '') return;
      watcher.close();
      resolve(p.read(`go/${name}`));
    };
    const watcher = watch(p.path('go'), check);
    check();
  });
}

const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`w${String(i).padStart(4, '0')}`, `word ${i}`]));

describe('ctx.each', () => {
  test('does new and changed items only, and takes away what removed items made', async () => {
    const p = wordsProject({ a: 'one', b: 'two', 'sub/c': 'three', 'sub/gone': 'four' });
    expect(await done(p)).toEqual(['a.txt', 'b.txt', 'sub/c.txt', 'sub/gone.txt']);
    expect(await summary(p)).toBe('4 of 4 words are new or changed');

    p.write('words/d.txt', 'five');
    p.write('words/a.txt', 'eleven');
    for (const name of ['b.txt', 'sub/gone.txt']) rmSync(p.path(`words/${name}`));
    expect(await done(p)).toEqual(['a.txt', 'd.txt']);
    expect(await summary(p)).toBe('2 of 3 words are new or changed, 2 are gone');
    expect(artifacts(p).folder).toEqual(['a.txt', 'd.txt', 'sub', 'sub/c.txt']);
    await expectAsAClean(p);
    expect(await done(p)).toEqual([]);

    rmSync(p.path('words/sub/c.txt'));
    expect(await done(p)).toEqual([]);
    expect(artifacts(p).folder).toEqual(['a.txt', 'd.txt']);
  });

  test('does all again after an edit of the code, none after a parameter that items do not see', async () => {
    const p = wordsProject({ a: 'one', b: 'two' });
    await done(p);
    expect(await done(p, '--set', 'title=Other')).toEqual([]);
    expect(await summary(p)).toBe('0 of 2 words are new or changed');
    expect(p.read('out/table.txt')).toMatch(/^Other\na\.txt/);
    p.edit('tasks/shout.ts', 'toUpperCase() + at', 'toUpperCase() + "." + at');
    expect(await done(p)).toEqual(['a.txt', 'b.txt']);
    expect(p.read('out/loud/a.txt')).toBe('ONE.!');
    expect(await done(p, '--force')).toEqual(['a.txt', 'b.txt']);
  });

  test('equals a build from nothing after a parameter was changed and put back with something new', async () => {
    const p = wordsProject({ a: 'one', b: 'two' });
    await done(p);
    expect(await done(p, '--set', 'mark="?"')).toEqual(['a.txt', 'b.txt']);
    expect(p.read('out/loud/a.txt')).toBe('ONE?');
    p.write('words/c.txt', 'three');
    // The files with the old mark are in the store, and not in the artifact that the new ones are a change of.
    expect(await done(p)).toContain('c.txt');
    await expectAsAClean(p);
  });

  test('goes on where a killed run was, and with the other items after a change meanwhile', async () => {
    const p = wordsProject({ ...many(300), w0200: 'wait' });
    const run = await untilItWaits(p);
    await run.kill();
    const before = new Set(diary(p));
    p.write('words/w0005.txt', 'changed');
    rmSync(p.path('words/w0006.txt'));
    p.write('go/now', '');
    const again = await done(p);
    const [, todo, unfinished] =
      /^(\d+) of 299 words are new or changed, (\d+) were finished by a run that did not end/.exec(
        (await summary(p))!,
      )!;
    expect(again).toHaveLength(Number(todo));
    expect(Number(todo) + Number(unfinished)).toBe(299);
    expect(Number(unfinished)).toBeGreaterThan(0);
    expect(again).toContain('w0005.txt');
    expect(again.filter((name) => !before.has(name)).length).toBeGreaterThan(0);
    await expectAsAClean(p);
  });

  test('verifies what a killed run left, and does again what is not as it was', async () => {
    const p = wordsProject({ ...many(300), w0299: 'wait' });
    const run = await untilItWaits(p);
    await run.kill();
    const [file] = filesIn(p, '.dag/each').filter((name) => name.endsWith('w0000.txt'));
    p.write(`.dag/each/${file}`, 'torn');
    p.write('go/now', '');
    expect(await done(p)).toContain('w0000.txt');
    expect(await log(p)).toContain('1 of those were not as they had been left, and are done again');
    await expectAsAClean(p);
  });

  test('makes the same whatever the number of workers', async () => {
    const p = wordsProject(many(400));
    await done(p, '--set', 'rounds=2000');
    const spread = new Set(lines(p).map((line) => line.split(' ')[1]));
    const two = artifacts(p);
    p.edit('pipeline.yml', 'cpu: 2', 'cpu: 1');
    expect(await done(p, '--set', 'rounds=2000', '--force')).toHaveLength(400);
    expect(new Set(lines(p).map((line) => line.split(' ')[1]))).toEqual(new Set(['0']));
    expect(spread.size).toBeGreaterThan(1);
    expect(artifacts(p)).toEqual(two);
  });

  test('fails by name where a thread ends, and goes on from there', async () => {
    const texts = Object.keys(many(400)).map((name) => [name, 'end']);
    const p = wordsProject(Object.fromEntries(texts));
    const answer = await p.dag('run', '--set', 'rounds=2000');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toMatch(/a worker thread ended at or after w\d+\.txt: exit code 3/);
    p.edit('pipeline.yml', 'cpu: 2', 'cpu: 1');
    expect((await done(p, '--set', 'rounds=2000')).length).toBeLessThan(400);
  });

  test('goes on when a killed engine left its process in the middle of an item, which is ended first', async () => {
    const p = wordsProject({ ...many(20), w0010: 'hold' });
    await (await untilItWaits(p)).orphan();
    const run = p.dag('run');
    await run.prints('ending what a killed run');
    p.write('go/now', '');
    expect((await run).code).toBe(0);
    await expectAsAClean(p);
  });

  test('never keeps a file that was tampered with: it comes from the store', async () => {
    const p = wordsProject({ a: 'one', b: 'two' });
    await done(p);
    tamper(p, 'out/loud/a.txt');
    p.write('words/c.txt', 'three');
    expect(await done(p)).toEqual(['c.txt']);
    await expectAsAClean(p);
  });

  test('takes from the work tree what the store has lost, and does again what was tampered with there', async () => {
    const p = wordsProject({ a: 'one', b: 'two' });
    await done(p);
    rmSync(p.path('.dag/v1'), { recursive: true });
    tamper(p, 'out/loud/a.txt');
    p.write('out/loud/foreign.txt', 'not ours');
    p.write('words/c.txt', 'three');
    expect(await done(p)).toEqual(['a.txt', 'c.txt']);
    await expectAsAClean(p);
  });

  test('names the item that failed, and keeps the others', async () => {
    const p = wordsProject({ a: 'one', b: 'fail', c: 'three' });
    p.write('diary.txt', '');
    const answer = await p.dag('run');
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('b.txt: cannot shout fail');
    p.write('words/b.txt', 'two');
    expect(await done(p)).not.toContain('a.txt');
    await expectAsAClean(p);
  });

  test('remembers an item that failed softly', async () => {
    const p = wordsProject({ a: 'one', b: 'soft' });
    await done(p);
    p.write('words/c.txt', 'three');
    expect(await done(p)).toEqual(['c.txt']);
    expect(p.read('out/table.txt')).toContain('b.txt {"problem":"soft"}');
  });

  test('an audit does every item again, and compares', async () => {
    const p = wordsProject({ a: 'one', b: 'two' });
    await done(p);
    p.write('diary.txt', '');
    expect((await p.dag('verify', '--rerun', 'shout')).code).toBe(0);
    expect(diary(p)).toEqual(['a.txt', 'b.txt']);
  });

  test('does not believe an item that read an input while it was changed', async () => {
    const p = wordsProject({ a: 'wait', b: 'two' });
    const run = await untilItWaits(p);
    p.write('words/b.txt', 'other');
    expect(await run.go()).toBe(1);
    expect(diary(p)).toContain('b.txt');
    p.write('words/b.txt', 'two');
    expect(await done(p)).toContain('b.txt');
    await expectAsAClean(p);
  });

  test('after any sequence of edits and kills equals a build from nothing', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'sub/d');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), name, text: fc.constantFrom('one', 'two', 'soft', 'wait') }),
      fc.record({ kind: fc.constant('remove' as const), name }),
      fc.record({ kind: fc.constant('run' as const) }),
      fc.record({ kind: fc.constant('tamper' as const), name }),
      fc.record({ kind: fc.constant('kill' as const) }),
      fc.record({ kind: fc.constant('clear' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 8 }), async (steps) => {
        const p = wordsProject({ a: 'one', z: 'last' });
        for (const one of steps) {
          if (one.kind === 'write') p.write(`words/${one.name}.txt`, one.text);
          else if (one.kind === 'remove') rmSync(p.path(`words/${one.name}.txt`), { force: true });
          else if (one.kind === 'tamper') tamper(p, `out/loud/${one.name}.txt`);
          else if (one.kind === 'clear') rmSync(p.path('out'), { recursive: true, force: true });
          else if (one.kind === 'run') await finish(p);
          else await killWhereItWaits(p);
        }
        await finish(p);
        await expectAsAClean(p);
        p.remove();
      }),
      { numRuns: 4 },
    );
  });
});

async function finish(p: Project): Promise<void> {
  p.write('go/now', '');
  await done(p);
}

/** A run in which one more item waits, whose process is killed there. */
async function killWhereItWaits(p: Project): Promise<void> {
  p.write('words/zz.txt', `wait ${Math.random()}`);
  await (await untilItWaits(p)).kill();
}

function tamper(p: Project, file: string): void {
  try {
    chmodSync(p.path(file), 0o644);
  } catch {
    return; // There is nothing to tamper with.
  }
  writeFileSync(p.path(file), 'mine');
}
