// How nodes failed last, where nothing better has happened to them since.
import { readJournal, runIds } from './read.ts';
import type { Line } from './write.ts';

export interface LastFailure {
  readonly at: string;
  readonly message: string;
  /** Relative to the project's root, or absolute. */
  readonly log: string | null;
}

/** A node that failed so many runs ago and was not asked for since is left alone. */
const MOST_RUNS = 100;
const ENDS = /"type":"(?:node-(?:done|restored|failed|accepted)|nodes-fresh)"/;

/** `folder`: the journals. */
export function lastFailures(folder: string, nodes: Iterable<string>): Map<string, LastFailure> {
  const open = new Set(nodes);
  const found = new Map<string, LastFailure>();
  for (const id of runIds(folder).reverse().slice(0, MOST_RUNS)) {
    if (open.size === 0) break;
    for (const line of readJournal(folder, id, (text) => ENDS.test(text)).lines.toReversed()) {
      for (const node of nodesOf(line)) {
        if (!open.delete(node) || line.type !== 'node-failed') continue;
        if (line.failure.kind === 'interrupted') open.add(node);
        else found.set(node, { at: line.at, message: line.failure.message, log: line.failure.log ?? null });
      }
    }
  }
  return found;
}

function nodesOf(line: Line): string[] {
  if (line.type === 'nodes-fresh') return Object.keys(line.nodes);
  return 'node' in line ? [line.node] : [];
}
