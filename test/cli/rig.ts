// For tests of commands that meet a running run: nodes that wait for a file, and waiting for what a process does.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { DAG, type Project } from '../rigs/project.ts';

/** A shell command that says it began by making `.NAME-began`, and goes on when `.NAME-go` is there. */
export const handHeld = (name: string) => `touch .${name}-began; while [ ! -e .${name}-go ]; do sleep 0.05; done`;

export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 20));
}

export const began = (p: Project, name: string) => until(() => existsSync(p.path(`.${name}-began`)));
export const go = (p: Project, name: string) => p.write(`.${name}-go`, '');

export const journals = (p: Project) =>
  existsSync(p.path('.dag/runs')) ? readdirSync(p.path('.dag/runs')).sort() : [];

/** The command line beside the test, with what it printed so far. */
export const start = (p: Project, ...words: string[]) => startProgram(p, [process.execPath, DAG, ...words]);

/** A line of the shell, in which `dag` is the command line. */
export const startLine = (p: Project, line: string) =>
  startProgram(p, ['/bin/sh', '-c', `dag() { ${process.execPath} ${DAG} "$@"; }; ${line}`]);

export function startProgram(p: Project, [program = '', ...words]: readonly string[]) {
  const env = { ...process.env, NO_COLOR: '1' };
  const child = spawn(program, words, { cwd: p.root, env });
  const printed = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (printed.stdout += chunk));
  child.stderr.on('data', (chunk) => (printed.stderr += chunk));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, printed, ended };
}

/** The process that would end what a run has at work if its engine died (engine/exec/local/guard.ts). */
export function guardOf(engine: number): number {
  const children = readFileSync(`/proc/${engine}/task/${engine}/children`, 'utf8').trim().split(' ').map(Number);
  return children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('dag-guard'))!;
}

/** Kills an engine and its guard, so that what it has at work is left. */
export function orphanTasks(engine: ChildProcess): void {
  process.kill(guardOf(engine.pid!), 'SIGKILL');
  engine.kill('SIGKILL');
}
