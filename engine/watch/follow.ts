// Follows edits while a run goes on: what the project is now is compared with what the run goes by, and the run is told.
import path from 'node:path';
import type { Cache } from '../../cache/index.ts';
import { dependentOn } from '../graph/order.ts';
import type { Code } from '../model/ingredients.ts';
import type { Node } from '../model/node.ts';
import type { Edit } from '../run/context.ts';
import type { Run } from '../run/run.ts';
import { affectedBy, type Version } from './affected.ts';

/** What the files say now. */
export type Project = Omit<Edit, 'reached' | 'dependents'>;

/** The run that goes on. */
export interface Followed extends Pick<Run, 'edit'> {
  /** Puts a line where the run's own lines go. */
  say(message: string): void;
}

export interface Follower {
  /** With what the run began with; edits before are its own affair. */
  begin(nodes: readonly Node[], codes: ReadonlyMap<string, Code>, run: Followed): void;
  /** Looks at the project again, after looks that are under way; absolute paths. */
  edited(paths: ReadonlySet<string>): Promise<void>;
  /** No look at an edit is under way. */
  settled(): Promise<void>;
}

/** `read`: null where the project does not load or build. */
export function createFollower(root: string, cache: Cache, read: () => Promise<Project | null>): Follower {
  let run: Followed | null = null;
  let version: Version = { nodes: [], codes: new Map() };
  let last: Promise<void> = Promise.resolve();

  const look = async (paths: ReadonlySet<string>) => {
    for (const file of paths) cache.forget(file);
    if (!run) return;
    const files = named([...paths].map((file) => path.relative(root, file)));
    const project = await read();
    if (!project) return run.say(`edited ${files}: it does not load or build, so running nodes go on as they are`);
    const now: Version = { nodes: project.nodes, codes: digestsOf(project.codes) };
    const reached = affectedBy(version, now);
    if (reached.size === 0) return;
    run.say(`edited ${files}: ${reached.size} ${reached.size === 1 ? 'node has' : 'nodes have'} to run again`);
    const dependents = dependentOn(reached, version.nodes);
    if (run.edit({ ...project, reached, dependents })) version = now;
  };
  return {
    begin(nodes, codes, started) {
      run = started;
      version = { nodes, codes: digestsOf(codes) };
    },
    edited(paths) {
      last = last.then(() => look(paths));
      return last;
    },
    settled: () => last,
  };
}

/** Packages too: a node that is queued with the key of the old ones must not be run with the new ones. */
const digestsOf = (codes: ReadonlyMap<string, Code>) =>
  new Map([...codes].map(([module, { digest, packages }]) => [module, JSON.stringify([digest, packages])] as const));

const NAMED = 3;

function named(names: readonly string[]): string {
  const rest = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
