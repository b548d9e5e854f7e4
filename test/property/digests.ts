// What the engine calls a tree and a module's code: asked of a project in which nothing ever ran, each once.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Cache, openCache } from '../../cache/index.ts';
import { codeOf } from '../../engine/plan/code/digest.ts';
import { type Tree, writeTree } from './combine.mjs';
import { modulePath, moduleText, type State, writeProject } from './model.ts';

const known = new Map<string, Promise<string>>();

export function digestOfTree(tree: Tree): Promise<string> {
  return once(JSON.stringify(tree), async (root, cache) => {
    const place = path.join(root, 'tree');
    if (!('' in tree)) mkdirSync(place);
    writeTree(place, tree);
    return cache.scan(place)!.digest;
  });
}

export function digestOfModule(state: State, task: number): Promise<string> {
  return once(moduleText(state, task), async (root, cache) => {
    writeProject(root, state);
    const code = (await codeOf(root, [modulePath(task)], cache)).get(modulePath(task))!;
    if (!code.ok) throw new Error(code.error);
    return code.value.digest;
  });
}

function once(name: string, ask: (root: string, cache: Cache) => Promise<string>): Promise<string> {
  const answer = known.get(name) ?? inNewProject(ask);
  known.set(name, answer);
  return answer;
}

async function inNewProject<T>(ask: (root: string, cache: Cache) => Promise<T>): Promise<T> {
  const root = newFolder();
  const cache = openCache({ dir: path.join(root, '.dag') });
  try {
    return await ask(root, cache);
  } finally {
    await cache.close();
    rmSync(root, { recursive: true, force: true });
  }
}

/** In memory, where there is such a disk. */
export function newFolder(): string {
  try {
    return mkdtempSync('/dev/shm/dag-property-');
  } catch {
    return mkdtempSync(path.join(os.tmpdir(), 'dag-property-'));
  }
}
