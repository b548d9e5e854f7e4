// A project whose nodes publish in every way the engine knows (a small file, a large one, a folder, in place by a shell and
// from staging by a module), and what its outputs must be for a given source.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { createProject, type Project } from '../rigs/project.ts';

const PIPELINE = `tasks:
  small: { run: "cp \${in.i} \${out.o}", in: { i: source.txt }, out: { o: out/small.txt } }
  large: { run: "yes \\"$(cat \${in.i})\\" | head -n 800 > \${out.o}", in: { i: source.txt }, out: { o: out/large.txt } }
  folder:
    run: "mkdir -p \${out.o}/b; cp \${in.i} \${out.o}/a; cp \${in.l} \${out.o}/b/c"
    in: { i: source.txt, l: "\${large.o}" }
    out: { o: out/folder }
  module: { use: tasks/module.mjs, in: { i: "\${folder.o}" }, out: { file: out/module.txt, folder: out/module } }
`;

const MODULE = `import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
export default {
  run(ctx) {
    const text = readFileSync(ctx.input('i') + '/b/c', 'utf8');
    writeFileSync(ctx.output('file'), text + text);
    mkdirSync(ctx.output('folder'));
    writeFileSync(ctx.output('folder') + '/x', text.slice(0, 30));
    writeFileSync(ctx.output('folder') + '/y', text);
  },
};
`;

export function createEveryKind(): Project {
  return createProject({ 'pipeline.yml': PIPELINE, 'tasks/module.mjs': MODULE, 'source.txt': textOf(0) });
}

export const textOf = (number: number) => `source ${number}\n`;

/** What out/ holds after a clean build. */
export function cleanOutputs(number: number): Record<string, string> {
  const text = textOf(number);
  const large = text.repeat(800);
  return {
    'folder/a': text,
    'folder/b/c': large,
    'large.txt': large,
    'module.txt': large + large,
    'module/x': large.slice(0, 30),
    'module/y': large,
    'small.txt': text,
  };
}

export function outputsOf(project: Project): Record<string, string> {
  const root = project.path('out');
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(path.join(root, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(path.join(root, name), 'utf8')]));
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export function execute(words: readonly string[], cwd: string): Promise<Ended> {
  const child = spawn(words[0]!, words.slice(1), { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stderr }));
  });
}

/** Every file of the store. */
export function objectsOf(project: Project): string[] {
  const root = project.path('.dag/v1/objects');
  mkdirSync(root, { recursive: true });
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(root, name))
    .filter((file) => statSync(file).isFile());
}

export function removeOutputs(project: Project): void {
  rmSync(project.path('out'), { recursive: true, force: true });
}
