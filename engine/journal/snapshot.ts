// What a run's results were made of, node by node: from its own journal and, for nodes that were fresh, from the one in
// which their key was made. Journals are read oldest first, up to the run that is asked for.
import type { Ingredients } from '../model/ingredients.ts';
import type { PastEvent } from './decode.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { readJournal } from './read.ts';

export interface Snapshot {
  readonly id: string;
  readonly startedAt: string;
  readonly words: readonly string[];
  readonly profile: string | null;
  /** Nodes whose result the run had: fresh, restored or ran. */
  readonly nodes: ReadonlyMap<string, NodeSnapshot>;
}

export interface NodeSnapshot {
  readonly key: string;
  /** Null when the key was made before the oldest journal, or on another machine. */
  readonly ingredients: Ingredients | null;
  readonly metrics: Metrics;
  readonly seconds: number | null;
}

interface Made {
  readonly ingredients: Ingredients;
  readonly metrics: Metrics;
  readonly seconds: number | null;
}

/** The snapshots of the wanted runs, in their order. `ids`: all runs, oldest first. */
export function snapshots(folder: string, ids: readonly string[], wanted: readonly string[]): Snapshot[] {
  const made = new Map<string, Made>();
  const found = new Map<string, Snapshot>();
  const last = [...wanted].sort().at(-1)!;
  for (const id of ids) {
    if (id > last) break;
    const { events } = readJournal(folder, id, (text) => !/"type":"node-(metric|progress)"/.test(text));
    const snapshot = readOne(id, events, made);
    if (wanted.includes(id)) found.set(id, snapshot);
  }
  return wanted.map((id) => found.get(id)!);
}

function readOne(id: string, events: readonly PastEvent[], made: Map<string, Made>): Snapshot {
  const keys = new Map<string, string>();
  const started = new Map<string, { key: string; ingredients: Ingredients }>();
  const metrics = createMetrics();
  let head = { startedAt: '', words: [] as readonly string[], profile: null as string | null };
  for (const event of events) {
    metrics.hear(event);
    if (event.type === 'run-started') head = { startedAt: event.at, words: event.words, profile: event.profile };
    if (event.type === 'node-fresh') keys.set(event.node, event.key);
    if (event.type === 'node-started') started.set(event.node, { key: event.key, ingredients: event.ingredients });
    if (event.type === 'node-restored') {
      keys.set(event.node, event.key);
      if (!made.has(event.key)) made.set(event.key, { ingredients: event.ingredients, metrics: {}, seconds: null });
    }
    if (event.type === 'node-done') {
      const begun = started.get(event.node);
      if (!begun) continue; // Its line could not be read.
      const { key, ingredients } = begun;
      keys.set(event.node, key);
      made.set(key, { ingredients, metrics: metrics.of(event.node), seconds: event.seconds });
    }
  }
  const nodes = [...keys].map(([node, key]): [string, NodeSnapshot] => {
    const known = made.get(key);
    const unknown = { ingredients: null, metrics: {}, seconds: null };
    return [node, { key, ...(known ?? unknown) }];
  });
  return { id, ...head, nodes: new Map(nodes) };
}
