// Links in the work tree: outputs that are links to another disk stay links and lose nothing, and a link to nothing is one
// clear error, of the user's where it is in an input, of the task's where it is in an output.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createProject, type Project } from '../rigs/project.ts';
import { cleanOutputs, createEveryKind, outputsOf, textOf } from './rig.ts';

let p: Project;
let elsewhere: string;
beforeEach(() => {
  elsewhere = mkdtempSync(path.join(otherDisk(), 'dag-links-'));
});
afterEach(() => {
  p?.remove();
  rmSync(elsewhere, { recursive: true, force: true });
});

/** Another disk than that of projects, where the machine has one. */
function otherDisk(): string {
  const own = statSync(os.tmpdir()).dev;
  return ['/dev/shm', '/run/shm'].find((folder) => existsSync(folder) && statSync(folder).dev !== own) ?? os.tmpdir();
}

/** Every output of the project lies elsewhere, or will: of the files, nothing is there yet. */
function linkOutputs(): void {
  mkdirSync(p.path('out'));
  for (const name of ['small.txt', 'large.txt', 'module.txt', 'folder', 'module'])
    symlinkSync(path.join(elsewhere, name), p.path(`out/${name}`));
  for (const name of ['folder', 'module']) mkdirSync(path.join(elsewhere, name));
}

function expectLinks(number: number): void {
  for (const name of readdirSync(p.path('out'))) {
    expect(lstatSync(p.path(`out/${name}`)).isSymbolicLink(), name).toBe(true);
    expect(realpathSync(p.path(`out/${name}`))).toBe(path.join(elsewhere, name));
  }
  expect(outputsThroughLinks()).toEqual(cleanOutputs(number));
}

function outputsThroughLinks(): Record<string, string> {
  const files = Object.keys(cleanOutputs(0)).filter((file) => existsSync(p.path(`out/${file}`)));
  return Object.fromEntries(files.map((file) => [file, readFileSync(p.path(`out/${file}`), 'utf8')]));
}

test('outputs that are links to another disk are made, made again, restored and cleared there', async () => {
  p = createEveryKind();
  // cp does not write through a link to nothing; a redirection does.
  p.edit('pipeline.yml', 'cp ${in.i} ${out.o}"', 'cat ${in.i} > ${out.o}"');
  linkOutputs();
  expect(await p.run()).toMatchObject({ ok: true, failed: [] });
  expectLinks(0);
  expect(await p.run()).toMatchObject({ ran: [], restored: [] });
  p.write('source.txt', textOf(1));
  expect(await p.run()).toMatchObject({ ok: true, restored: [] });
  expectLinks(1);
  p.write('source.txt', textOf(0));
  expect(await p.run()).toMatchObject({ ok: true, ran: [] });
  expectLinks(0);
  expect((await p.dag('clean')).code).toBe(0);
  expect(outputsThroughLinks()).toEqual({});
  expect(await p.run()).toMatchObject({ ok: true, ran: [] });
  expectLinks(0);
});

test('an output that is a link to a disk that is not there fails its task, says so, and stays', async () => {
  p = createEveryKind();
  mkdirSync(p.path('out'));
  symlinkSync('/nowhere/at/all', p.path('out/module.txt'));
  const answer = await p.dag('run');
  expect(answer.code).toBe(1);
  expect(answer.stderr).toMatch(/out\/module\.txt is a link to \/nowhere\/at\/all, where nothing can be written/);
  expect(answer.stderr).not.toContain('internal error');
  rmSync(p.path('out/module.txt'));
  expect(await p.run()).toMatchObject({ ok: true, failed: [] });
  expect(outputsOf(p)).toEqual(cleanOutputs(0));
});

const COPY = 'tasks: { a: { run: "cp -a ${in.d} ${out.o}", in: { d: data }, out: { o: out/a } } }\n';

test('a link to nothing in an input folder is one error of the input, with its path', async () => {
  p = createProject({ 'pipeline.yml': COPY, 'data/x': 'x\n' });
  symlinkSync('gone', p.path('data/link'));
  for (const command of ['run', 'plan', 'status']) {
    const answer = await p.dag(command);
    expect(answer.code).toBe(2);
    expect(answer.stderr).toMatch(/data\/link is a link to nothing\. Remove it, or restore what it points to\./);
    expect(answer.stderr.trim().split('\n')).toHaveLength(1);
  }
  rmSync(p.path('data/link'));
  expect(await p.run()).toMatchObject({ ok: true, ran: ['a'] });
});

test('a link to nothing in an output folder fails the task that left it, once, and nothing is recorded', async () => {
  p = createProject({
    'pipeline.yml': COPY.replace('cp -a ${in.d} ${out.o}', 'cp -a ${in.d} ${out.o}; ln -s gone ${out.o}/link').replace(
      'run:',
      'retries: 2, run:',
    ),
    'data/x': 'x\n',
  });
  const answer = await p.dag('run');
  expect(answer.code).toBe(1);
  expect(answer.stderr).toMatch(/its output o cannot be stored: .*out\/a\/link is a link to nothing/);
  expect(answer.stderr).not.toContain('internal error');
  p.edit('pipeline.yml', '; ln -s gone ${out.o}/link', '');
  expect(await p.run()).toMatchObject({ ok: true, ran: ['a'] });
});

test('a link to nothing that somebody put into an output is taken away by the next run', async () => {
  p = createProject({ 'pipeline.yml': COPY, 'data/x': 'x\n' });
  await p.run();
  symlinkSync('gone', p.path('out/a/link'));
  expect(await p.run()).toMatchObject({ ok: true, ran: [], restored: ['a'] });
  expect(readdirSync(p.path('out/a'))).toEqual(['x']);
});
