// The code of `tasks/t.ts` in a temporary project, looked at as a run does, without the command line.
import { expect, onTestFinished } from 'vitest';
import { openCache } from '../../cache/index.ts';
import type { Code } from '../../engine/model/ingredients.ts';
import { codeNow } from '../../engine/plan/code/digest.ts';
import { openProject, type Project } from '../rigs/project.ts';

export interface Looked {
  readonly project: Project;
  /** The code now, once it is remembered, so that the next look has to see what changed; it must build. */
  code(): Promise<Code>;
  /** What is told where it does not build. */
  error(): Promise<string>;
}

const MODULE = 'tasks/t.ts';

/** `within`: the folder of the files that the project is. */
export function lookAt(files: Readonly<Record<string, string>>, within = '.'): Looked {
  const project = openProject(files);
  const { root } = project.within(within);
  const cache = openCache({ dir: project.path('cache') });
  onTestFinished(cache.close);
  return {
    project,
    async code() {
      for (;;) {
        const now = await codeNow(root, MODULE, cache);
        if (!now.ok) throw new Error(now.error);
        if ('read' in now.value) return now.value.code;
      }
    },
    async error() {
      const now = await codeNow(root, MODULE, cache);
      if (now.ok) throw new Error('it builds');
      return now.error;
    },
  };
}

export async function expectSame(looked: Looked, change: () => void): Promise<void> {
  const before = identity(await looked.code());
  change();
  expect(identity(await looked.code())).toBe(before);
}

export async function expectOther(looked: Looked, change: () => void): Promise<void> {
  const before = identity(await looked.code());
  change();
  expect(identity(await looked.code())).not.toBe(before);
}

/** What of it is in the key. */
const identity = ({ digest, packages }: Code) => JSON.stringify([digest, packages]);
