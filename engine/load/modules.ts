// Looks whether the module behind each `use:` exists, and which file was meant when it does not.
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { nearest } from '../text/nearest.ts';
import type { TaskSpec } from './check.ts';
import { normalizeOutput } from './paths.ts';
import type { Diagnostics } from './span.ts';

export function checkModules(tasks: Iterable<TaskSpec>, root: string, sink: Diagnostics): void {
  const exists = new Map<string, boolean>();
  for (const { action } of tasks) {
    if (action?.kind !== 'use') continue;
    const text = String(action.text.value);
    if (text.includes('${')) {
      sink.report(
        action.text,
        'use: takes the path of a module, without ${}',
        'a task has one module; what differs belongs in params:',
      );
      continue;
    }
    const normal = normalizeOutput(text);
    if ('trouble' in normal) {
      sink.report(action.text, `the module ${normal.trouble}`);
      continue;
    }
    const { path } = normal;
    if (!exists.has(path)) exists.set(path, statSync(join(root, path), { throwIfNoEntry: false })?.isFile() ?? false);
    if (!exists.get(path)) sink.report(action.text, `there is no file "${path}"`, hintFor(root, path));
  }
}

function hintFor(root: string, path: string): string {
  const near =
    nearest(path, sourceFiles(root, dirname(path))) ??
    sourceFiles(root, '.').find((file) => basename(file) === basename(path));
  return near === undefined ? 'the path is relative to the folder of pipeline.yml' : `did you mean "${near}"?`;
}

const SOURCE = /\.(?:[cm]?[jt]s)$/;

/** TypeScript and JavaScript files of a folder and of the folders in it, two levels deep. */
function sourceFiles(root: string, folder: string, depth = 2): string[] {
  const files: string[] = [];
  const absolute = join(root, folder);
  if (!statSync(absolute, { throwIfNoEntry: false })?.isDirectory()) return files;
  for (const entry of readdirSync(absolute, { withFileTypes: true })) {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isFile() && SOURCE.test(entry.name)) files.push(path);
    else if (entry.isDirectory() && depth > 1 && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
      for (const file of sourceFiles(root, path, depth - 1)) files.push(file);
  }
  return files;
}
