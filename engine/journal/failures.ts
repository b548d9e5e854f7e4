// How nodes failed last, where nothing better has happened to them since.
import { readJournal, runIds } from './read.ts';

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
    for (const event of readJournal(folder, id, (text) => ENDS.test(text)).events.toReversed()) {
      if (!('node' in event) || !open.delete(event.node) || event.type !== 'node-failed') continue;
      const { node, failure, at } = event;
      if (failure.kind === 'interrupted') open.add(node);
      else found.set(node, { at, message: failure.message, log: failure.log ?? null });
    }
  }
  return found;
}
