// Signals to the engine, real ones: whatever they do to it, no process of a node outlives it, and the next run completes.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DEAD, processOf } from '../../cache/host/process.ts';
import { began, go, guardOf, handHeld, start, until } from '../cli/rig.ts';
import { openProject, type Project } from '../rigs/project.ts';

const NODES = ['warm', 'cold', 'module'];
const BUSY = 'while (!existsSync(".module-go"));';
const HEEDING = 'while (!existsSync(".module-go")) { ctx.signal.throwIfAborted(); await setTimeout(10); }';

/** A command in a warm shell, one in a shell of its own, a module task that has started a process; each waits for the test. */
function project(module: typeof BUSY | typeof HEEDING): Project {
  return openProject({
    'pipeline.yml': `tasks:
  warm: { run: "${handHeld('warm')}; touch \${out.o}", out: { o: out/warm } }
  cold: { run: "sleep 1000 & ${handHeld('cold')}; touch \${out.o}", out: { o: out/cold } }
  module: { use: tasks/module.mjs, out: { o: out/module } }
`,
    'tasks/module.mjs': `
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
export default { async run(ctx) {
  const child = spawn('sleep', ['1000']);
  await new Promise((resolve) => child.once('spawn', resolve));
  writeFileSync('.module-began', '');
  ${module}
  child.kill();
  writeFileSync(ctx.output('o'), '');
} };
`,
  });
}

async function startAll(p: Project) {
  const run = start(p, 'run', '--jobs', String(NODES.length));
  for (const name of NODES) await began(p, name);
  return run;
}

/** Every process that works in the project's folder. */
const atWork = (p: Project) =>
  readdirSync('/proc').filter((name) => folderOf(name) === p.root && processOf(Number(name)).started !== DEAD);

function folderOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return ''; // No process, or one that has ended.
  }
}

async function nextRunCompletes(p: Project): Promise<void> {
  for (const name of NODES) go(p, name);
  expect(await p.run()).toMatchObject({ ok: true });
}

test.each(['SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGALRM'] as const)(
  '%s ends the engine, and all that was at work ends with it, a module task in a busy loop too',
  async (signal) => {
    const p = project(BUSY);
    const run = await startAll(p);
    run.child.kill(signal);
    await run.ended;
    expect(run.child.signalCode).toBe(signal);
    await until(() => atWork(p).length === 0);
    expect((await p.dag('history')).stdout).toContain('died');
    await nextRunCompletes(p);
  },
);

test.each(['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU', 'SIGQUIT'] as const)(
  '%s is heard: the run stops with 130, and nothing is at work any more',
  async (signal) => {
    const p = project(signal === 'SIGQUIT' ? BUSY : HEEDING);
    const run = await startAll(p);
    run.child.kill(signal);
    expect(await run.ended).toBe(130);
    expect(run.printed.stderr).not.toContain('Debugger');
    expect(run.printed.stderr).toContain('3 stopped');
    await until(() => atWork(p).length === 0);
    await nextRunCompletes(p);
  },
);

test.each(['SIGPIPE', 'SIGHUP'] as const)('%s, to a run without a terminal, is nothing', async (signal) => {
  const p = project(BUSY);
  const run = await startAll(p);
  run.child.kill(signal);
  for (const name of NODES) go(p, name);
  expect(await run.ended).toBe(0);
  expect(atWork(p)).toEqual([]);
});

test('a command that does not want to end is killed after a grace', async () => {
  const p = openProject({
    'pipeline.yml': `tasks: { a: { run: "trap '' TERM; ${handHeld('a')}", out: { o: out/o } } }\n`,
  });
  const run = start(p, 'run');
  await began(p, 'a');
  run.child.kill('SIGKILL');
  await run.ended;
  await until(() => atWork(p).length === 0);
});

test('what watches over the engine goes with it, and signals nothing that has ended by itself', async () => {
  const p = project(HEEDING);
  const run = await startAll(p);
  const guard = guardOf(run.child.pid!);
  expect(readFileSync(`/proc/${guard}/cmdline`, 'utf8')).toContain('dag-guard');
  for (const name of NODES) go(p, name);
  expect(await run.ended).toBe(0);
  expect(['', DEAD]).toContain(processOf(guard).started);
});
