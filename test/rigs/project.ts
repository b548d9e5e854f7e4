// A temporary project and the real command line in it: what a user would do, with the output caught.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { RunSummary } from '../../engine/model/event.ts';
import type { Reason } from '../../engine/model/reason.ts';

export const REPOSITORY = path.resolve(import.meta.dirname, '../..');
/** The command line, as built. */
export const DAG = path.join(REPOSITORY, 'engine/dist/dag.js');

export interface Answer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running command line: awaited for its answer, or signalled while it runs. */
export interface Command extends Promise<Answer> {
  signal(name: NodeJS.Signals): void;
  /** Resolves once stderr contains the text. */
  prints(text: string): Promise<void>;
}

export interface NodeStatus {
  readonly name: string;
  readonly task: string;
  readonly axes: Record<string, string>;
  readonly state: string;
  readonly reasons: Reason[];
  readonly outputs: Record<string, string>;
}

export interface Project {
  readonly root: string;
  write(file: string, text: string): void;
  read(file: string): string;
  /** Replaces text that must be there. */
  edit(file: string, before: string | RegExp, after: string | ((found: string) => string)): void;
  path(file: string): string;
  dag(...words: string[]): Command;
  /** The same project, with these environment variables for its commands. */
  with(environment: Readonly<Record<string, string>>): Project;
  /** A project in a folder of this one. */
  within(folder: string): Project;
  /** Resolves when the file exists: how a test waits for a task without a clock. */
  until(file: string): Promise<void>;
  /** `dag run --json`, which must exit with `code`. */
  run(...words: string[]): Promise<RunSummary>;
  status(...words: string[]): Promise<NodeStatus[]>;
  remove(): void;
}

export function createProject(files: Readonly<Record<string, string>> = {}): Project {
  const project = projectAt(mkdtempSync(path.join(os.tmpdir(), 'dag-test-')), {});
  for (const [file, text] of Object.entries(files)) project.write(file, text);
  return project;
}

/** A project that goes when the test that opens it is over. */
export function openProject(files: Readonly<Record<string, string>> = {}): Project {
  const project = createProject(files);
  onTestFinished(() => project.remove());
  return project;
}

function projectAt(root: string, environment: Readonly<Record<string, string>>): Project {
  const project: Project = {
    root,
    path: (file) => path.join(root, file),
    read: (file) => readFileSync(path.join(root, file), 'utf8'),
    write(file, text) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), text);
    },
    edit(file, before, after) {
      const text = project.read(file);
      const edited = text.replace(before, after as string);
      if (edited === text) throw new Error(`${file} does not contain ${before}`);
      project.write(file, edited);
    },
    dag: (...words) => dag(root, words, environment),
    async run(...words) {
      const answer = await dag(root, ['run', '--json', ...words], environment);
      if (answer.stdout === '') throw new Error(`dag run ended with ${answer.code}:\n${answer.stderr}`);
      return JSON.parse(answer.stdout) as RunSummary;
    },
    async status(...words) {
      const answer = await dag(root, ['status', '--json', ...words], environment);
      if (answer.code !== 0) throw new Error(answer.stderr);
      return (JSON.parse(answer.stdout) as { nodes: NodeStatus[] }).nodes;
    },
    within: (folder) => projectAt(path.join(root, folder), environment),
    with: (more) => projectAt(root, { ...environment, ...more }),
    async until(file) {
      while (!existsSync(path.join(root, file))) await new Promise((resolve) => setTimeout(resolve, 10));
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
  return project;
}

/** A copy of this repository's own pipeline, with its packages linked. */
export function createPipelineProject(): Project {
  const project = createProject();
  for (const item of ['tasks', 'engine/task.ts', 'pipeline.yml', 'package.json', 'package-lock.json']) {
    cpSync(path.join(REPOSITORY, item), project.path(item), { recursive: true });
  }
  symlinkSync(path.join(REPOSITORY, 'node_modules'), project.path('node_modules'));
  return project;
}

function dag(root: string, words: readonly string[], environment: Readonly<Record<string, string>>): Command {
  const env = { ...process.env, NO_COLOR: '1', ...environment };
  const child = spawn(process.execPath, [DAG, ...words], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const answer = new Promise<Answer>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return Object.assign(answer, {
    signal: (name: NodeJS.Signals) => void child.kill(name),
    async prints(text: string) {
      while (!stderr.includes(text)) await new Promise((resolve) => setTimeout(resolve, 10));
    },
  });
}
