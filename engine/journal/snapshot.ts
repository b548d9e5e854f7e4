// What a run's results were made of, node by node: from its own journal and, for nodes that were fresh, from the one in
// which their key was made. Journals are read oldest first, up to the run that is asked for.
import type { Digest } from '../../cache/index.ts';
import type { Ingredients } from '../model/ingredients.ts';
import { readJournal } from './read.ts';
import type { Line, Metrics, WrittenIngredients } from './write.ts';

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
  const codes = new Map<string, Line & { type: 'code' }>();
  const made = new Map<string, Made>();
  const found = new Map<string, Snapshot>();
  const last = [...wanted].sort().at(-1)!;
  for (const id of ids) {
    if (id > last) break;
    const { lines } = readJournal(folder, id, (text) => !/"type":"node-(metric|progress)"/.test(text));
    const snapshot = readOne(id, lines, codes, made);
    if (wanted.includes(id)) found.set(id, snapshot);
  }
  return wanted.map((id) => found.get(id)!);
}

function readOne(
  id: string,
  lines: readonly Line[],
  codes: Map<string, Line & { type: 'code' }>,
  made: Map<string, Made>,
): Snapshot {
  const keys = new Map<string, string>();
  const started = new Map<string, { key: string; ingredients: Ingredients }>();
  let head = { startedAt: '', words: [] as readonly string[], profile: null as string | null };
  for (const line of lines) {
    if (line.type === 'run-started') head = { startedAt: line.at, words: line.words, profile: line.profile };
    if (line.type === 'code') codes.set(line.digest, line);
    if (line.type === 'nodes-fresh') for (const [node, key] of Object.entries(line.nodes)) keys.set(node, key);
    if (line.type === 'node-started')
      started.set(line.node, { key: line.key, ingredients: whole(line.ingredients, codes) });
    if (line.type === 'node-restored') {
      keys.set(line.node, line.key);
      if (!made.has(line.key))
        made.set(line.key, { ingredients: whole(line.ingredients, codes), metrics: {}, seconds: null });
    }
    if (line.type === 'node-done') {
      const begun = started.get(line.node);
      if (!begun) continue; // Its line could not be read.
      const { key, ingredients } = begun;
      keys.set(line.node, key);
      made.set(key, { ingredients, metrics: line.metrics ?? {}, seconds: line.seconds });
    }
  }
  const nodes = [...keys].map(([node, key]): [string, NodeSnapshot] => {
    const known = made.get(key);
    const unknown = { ingredients: null, metrics: {}, seconds: null };
    return [node, { key, ...(known ?? unknown) }];
  });
  return { id, ...head, nodes: new Map(nodes) };
}

function whole(written: WrittenIngredients, codes: ReadonlyMap<string, Line & { type: 'code' }>): Ingredients {
  const { code } = written;
  if (code.kind === 'shell') return { ...written, code };
  const known = codes.get(code.digest);
  const { files = {}, packages = {} } = known ?? {};
  return { ...written, code: { ...code, digest: code.digest as Digest, files, packages } };
}
