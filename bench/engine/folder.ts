// One node that reads a big folder: its no-op beside `git status` over the same folder, and the price of ten more files.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cost, least } from './measure.ts';

const REPEATS = 5;

export function benchFolder(files: number, dag: string): void {
  const root = mkdtempSync(path.join(os.tmpdir(), 'dag-bench-folder-'));
  const git = (...words: string[]) => [
    'git',
    '-c',
    'gc.auto=0',
    '-c',
    'maintenance.auto=false',
    '-c',
    'user.name=b',
    '-c',
    'user.email=b',
    ...words,
  ];
  const run = [process.execPath, dag, 'run'];
  try {
    mkdirSync(path.join(root, 'data'));
    for (let at = 0; at < files; at++) writeFileSync(path.join(root, 'data', `image-${at}.txt`), `${at}\n`);
    writeFileSync(
      path.join(root, 'pipeline.yml'),
      'tasks: { count: { run: "ls ${in.d} | wc -l > ${out.o}", in: { d: data }, out: { o: count } } }\n',
    );
    const first = cost(run, root);
    for (const words of [git('init', '-q'), git('add', 'data'), git('commit', '-qm', 'b')])
      spawnSync(words[0]!, words.slice(1), { cwd: root });
    const ours = least(REPEATS, () => cost(run, root));
    const theirs = least(REPEATS, () => cost(git('status', '--short', 'data'), root));
    for (let at = 0; at < 10; at++) writeFileSync(path.join(root, 'data', `more-${at}.txt`), 'more\n');
    const more = cost(run, root);
    if (!first || !ours || !theirs || !more) throw new Error('a command failed');
    console.log(
      `a folder of ${files} files: the first run takes ${first.clock.toFixed(2)} s, one with ten more files ${more.clock.toFixed(2)} s`,
    );
    console.log(
      `no-op: dag ${ours.clock.toFixed(2)} s (CPU ${ours.cpu.toFixed(2)}), git status ${theirs.clock.toFixed(2)} s (CPU ${theirs.cpu.toFixed(2)})`,
    );
    console.log(`dag/git: clock ${(ours.clock / theirs.clock).toFixed(2)}, CPU ${(ours.cpu / theirs.cpu).toFixed(2)}`);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
