// The no-op of a graph so large that running its commands would take an hour: an executor that writes each output by itself
// stands in for them, once; everything else of that run, and all of the runs that are measured, is the product's.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Executor, Launch } from '../../engine/exec/executor.ts';
import { createLocalExecutor } from '../../engine/exec/local/local.ts';
import { runSelected } from '../../engine/project/run.ts';
import { openSession } from '../../engine/project/session.ts';
import { writeProject } from './graph.ts';
import { cost, least, peakMb } from './measure.ts';

const REPEATS = 5;

export function benchNoop(nodes: number, layers: number, dag: string, keep: string | null): void {
  const root = keep ?? mkdtempSync(path.join(os.tmpdir(), 'dag-bench-noop-'));
  const run = [process.execPath, dag, 'run'];
  try {
    writeProject(root, 'dag', { layers, width: nodes / layers });
    // In a process of its own, which may print a line a node.
    const built = cost([process.execPath, process.argv[1]!, '--build', root], root);
    if (!built) throw new Error('the graph was not built');
    const bare = least(REPEATS, () => cost([process.execPath, '-e', '0'], root))!;
    const long = cost(run, root);
    const noop = least(REPEATS, () => cost(run, root));
    if (!long || !noop) throw new Error('a run failed');
    const told = (name: string, { clock, cpu }: { clock: number; cpu: number }) =>
      console.log(`${name.padEnd(46)}${clock.toFixed(3)} s, CPU ${cpu.toFixed(3)} s`);
    told('node -e 0', bare);
    told(`no-op of ${nodes} nodes, looking at everything`, long);
    told(`no-op of ${nodes} nodes, by stats`, noop);
    console.log(
      `peak memory ${peakMb(run, root).toFixed(0)} MB; CPU ${(noop.cpu / bare.cpu).toFixed(2)} times node -e 0`,
    );
  } finally {
    if (!keep) rmSync(root, { recursive: true, force: true });
  }
}

/** Makes all outputs of the project in a folder. */
export async function buildGraph(root: string): Promise<void> {
  const session = openSession({ directory: root, set: [] });
  try {
    const { summary } = await runSelected(session, [], { set: [], jobs: 2 }, { executor: writer(root) });
    if (!summary.ok) throw new Error('the graph was not built');
  } finally {
    await session.cache.close();
  }
}

/** Each command of the graph ends in `> OUTPUT`. */
function writer(root: string): Executor {
  return {
    ...createLocalExecutor(root),
    launch({ work }: Launch) {
      const output = work.kind === 'shell' ? work.command.split('> ').at(-1)! : '';
      writeFileSync(path.join(root, output), `${output}\n`);
      return { ended: Promise.resolve(null), stop: () => {}, kill: () => {} };
    },
  };
}
