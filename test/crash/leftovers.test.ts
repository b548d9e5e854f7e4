// What a killed engine leaves running: the next run ends it before it starts anything, and says so. Somebody else's process, to
// which a noted number belongs by now, is left alone.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { DEAD, processOf } from '../../cache/process.ts';
import { began, handHeld, start } from '../cli/rig.ts';
import { createProject, type Project } from '../rigs/project.ts';

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
  first.child.kill('SIGKILL');
  await first.ended;
  expect(readdirSync(p.path('.dag/running'))).toHaveLength(1);

  p.edit('pipeline.yml', /run: ".*", out/, 'run: "echo second > ${out.o}", out');
  const answer = await p.dag('run');
  expect(answer.code).toBe(0);
  expect(answer.stderr).toContain('ended what a killed run');
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
  first.child.kill('SIGKILL');
  await first.ended;
  p.edit('pipeline.yml', /run: ".*", out/, 'run: "touch ${out.o}", out');
  const answer = await p.dag('run');
  expect(answer.code).toBe(0);
  expect(answer.stderr).toContain('ended what a killed run');
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
  first.child.kill('SIGKILL');
  await first.ended;
  p.write('again', '');
  expect((await p.dag('run')).stderr).toContain('ended what a killed run');
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
  expect(answer.stderr).not.toContain('ended what');
  expect(existsSync(p.path('.dag/running/torn'))).toBe(false);
  expect(lives(stranger.pid!)).toBe(true);
  stranger.kill();
  await ended(stranger);
});
