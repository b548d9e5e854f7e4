// What an engine leaves running that was killed together with its guard (deaths.test.ts has the guard): the next run ends it before
// it starts anything, and says so. Somebody else's process, to which a noted number belongs by now, is left alone.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { DEAD, processOf } from '../../cache/host/process.ts';
import { pidFilesIn } from '../../engine/exec/local/pidFiles.ts';
import { began, handHeld, orphanTasks, start } from '../cli/rig.ts';
import { createProject, DAG, type Project } from '../rigs/project.ts';
import { execute } from './rig.ts';

let p: Project;
afterEach(() => p?.remove());

const ended = (child: ReturnType<typeof spawn>) => new Promise((resolve) => child.once('exit', resolve));

const lives = (pid: number) => !['', DEAD].includes(processOf(pid).started);

test.each([
  ['a warm shell', ''],
  ['a shell of its own', '; true & wait'],
])('a command of a killed run, in %s, does not write into the outputs of the next', async (_, more) => {
  p = createProject({
    'pipeline.yml': `tasks:\n  a: { run: "${handHeld('a')}; echo $PPID >> \${out.o}${more}", out: { o: out/o } }\n`,
  });
  const first = start(p, 'run');
  await began(p, 'a');
  orphanTasks(first.child);
  await first.ended;
  expect(readdirSync(p.path('.dag/running'))).toHaveLength(1);

  p.edit('pipeline.yml', /run: ".*", out/, 'run: "echo second > ${out.o}", out');
  const answer = await p.dag('run');
  expect(answer.code).toBe(0);
  expect(answer.stderr).toContain('ending what a killed run');
  p.write('.a-go', ''); // The old command would go on now.
  expect(readdirSync(p.path('.dag/running'))).toEqual([]);
  expect(p.read('out/o')).toBe('second\n');
  const pids = /process (\d+) \(/g;
  for (const [, pid] of answer.stderr.matchAll(pids)) expect(lives(Number(pid))).toBe(false);
});

test('a command that does not hear is killed after a while', async () => {
  p = createProject({
    'pipeline.yml': `tasks:\n  a: { run: "trap '' TERM; ${handHeld('a')}; touch \${out.o}", out: { o: out/o } }\n`,
  });
  const first = start(p, 'run');
  await began(p, 'a');
  orphanTasks(first.child);
  await first.ended;
  p.edit('pipeline.yml', /run: ".*", out/, 'run: "touch ${out.o}", out');
  const answer = await p.dag('run');
  expect(answer.code).toBe(0);
  expect(answer.stderr).toContain('ending what a killed run');
});

test('what a module task of a killed run had started is ended too', async () => {
  p = createProject({
    'pipeline.yml': 'tasks:\n  a: { use: tasks/a.mjs, out: { o: out/o } }\n',
    'tasks/a.mjs': `
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
export default { run(ctx) {
  if (!existsSync('again')) spawnSync('/bin/sh', ['-c', 'echo $$ > pid; touch .a-began; sleep 1000; true']);
  writeFileSync(ctx.output('o'), '');
} };
`,
  });
  const first = start(p, 'run');
  await began(p, 'a');
  orphanTasks(first.child);
  await first.ended;
  p.write('again', '');
  expect((await p.dag('run')).stderr).toContain('ending what a killed run');
  expect(lives(Number(p.read('pid')))).toBe(false);
});

test('a process that only has the number of a noted one is left alone', async () => {
  p = createProject({ 'pipeline.yml': 'tasks:\n  a: { run: "touch ${out.o}", out: { o: out/o } }\n' });
  const stranger = spawn('/bin/sh', ['-c', 'read x'], { cwd: p.root, detached: true });
  const dead = { pid: 2 ** 22 - 1, started: 'before' };
  p.write(
    `.dag/running/${stranger.pid}`,
    JSON.stringify({ child: { pid: stranger.pid, started: 'before' }, engine: dead }),
  );
  p.write('.dag/running/torn', '{"child"');
  const answer = await p.dag('run');
  expect(answer.code).toBe(0);
  expect(answer.stderr).not.toContain('ending what');
  expect(existsSync(p.path('.dag/running/torn'))).toBe(false);
  expect(lives(stranger.pid!)).toBe(true);
  stranger.kill();
  await ended(stranger);
});

const SIMPLE = { 'pipeline.yml': 'tasks:\n  a: { run: "touch ${out.o}", out: { o: out/o } }\n' };
const gone = { pid: 2 ** 22 - 1, started: 'before' };

function leave(child: ReturnType<typeof spawn>): void {
  p.write(`.dag/running/${child.pid}`, JSON.stringify({ child: processOf(child.pid!), engine: gone }));
}

test('Ctrl-C while a leftover is ended is heeded, and the leftover is not forgotten', async () => {
  p = createProject(SIMPLE);
  const deaf = spawn('/bin/sh', ['-c', "trap '' TERM; echo; read x"], { cwd: p.root, detached: true });
  await new Promise((resolve) => deaf.stdout.once('data', resolve));
  leave(deaf);
  const run = p.dag('run');
  await run.prints('ending what a killed run');
  run.signal('SIGINT');
  expect((await run).code).toBe(130);
  expect(readdirSync(p.path('.dag/running'))).toEqual([String(deaf.pid)]);
  expect(existsSync(p.path('out/o'))).toBe(false);
  deaf.kill('SIGKILL');
  await ended(deaf);
});

test.skipIf(process.getuid?.() !== 0)("a leftover of another user ends the run with the process' number", async () => {
  p = createProject(SIMPLE);
  const other = spawn('/bin/cat', { cwd: p.root, detached: true });
  leave(other);
  execFileSync('chown', ['-R', '65534:65534', p.root]);
  const as = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const answer = await execute([...as, process.execPath, DAG, 'run'], p.root);
  expect(answer.code).toBe(2);
  expect(answer.stderr).toMatch(new RegExp(`^error: .* process ${other.pid} .*another user's`, 'm'));
  expect(existsSync(p.path('out/o'))).toBe(false);
  other.kill();
  await ended(other);
});

test('of a project that is reached through a link, a command whose leader is dead is ended too', async () => {
  p = createProject(SIMPLE);
  const leader = spawn('/bin/sh', ['-c', 'sleep 1000 >/dev/null 2>&1 & echo $!'], { cwd: p.root, detached: true });
  let left = '';
  leader.stdout.on('data', (text) => {
    left += text;
  });
  leave(leader);
  await ended(leader);
  const link = `${p.root}-link`;
  symlinkSync(p.root, link);
  const answer = await p.dag('run', '-C', link);
  execFileSync('rm', [link]);
  expect(answer.stderr).toContain(`had left running: process ${Number(left)} (sleep`);
  expect(lives(Number(left))).toBe(false);
});

test('a process of which no note can be written runs on', async () => {
  const child = spawn('/bin/cat');
  const notes = pidFilesIn(path.join(import.meta.filename, 'running'));
  notes.add(child);
  child.stdin.end();
  await ended(child);
  notes.clear();
});
