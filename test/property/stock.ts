// After any run: what each node that started was made of, as its key says, told by the model; and that its record, if there is
// one, is what that makes. Whether the record had to be there is not asked here, unless the node was told to be done.
import { expect } from 'vitest';
import { sha256 } from '../../cache/index.ts';
import type { NodeRecord } from '../../engine/model/record.ts';
import { combine, type Spec, type Tree } from './combine.mjs';
import { digestOfModule, digestOfTree } from './digests.ts';
import { open, type RunStory, type Started } from './engine.ts';
import { readCommand } from './executor.ts';
import { modelKey, SOURCES, type State, sourceTree, specOf } from './model.ts';

/** What is recorded, and what digests stand for. */
export interface Stock {
  /** The model's key → the engine's. */
  readonly completed: Map<string, string>;
  readonly trees: Map<string, Tree>;
}

export const emptyStock = (): Stock => ({ completed: new Map(), trees: new Map() });

/** `states`: those in which the project was while the run went on. */
export async function takeStock(stock: Stock, root: string, states: readonly State[], story: RunStory): Promise<void> {
  for (const state of states)
    for (let source = 0; source < SOURCES; source++) {
      const tree = sourceTree(state, source);
      stock.trees.set(await digestOfTree(tree), tree);
    }
  const cache = open(root);
  for (const started of story.started) {
    const record = cache.get('records', started.key) as NodeRecord | undefined;
    const made = await madeBy(started, states, stock.trees);
    if (story.done.includes(started.key)) expect(record).toBeDefined();
    if (!record) continue;
    // Of code or inputs that never were so, or of code that fails, nothing is recorded.
    expect({ ...started, breaks: made?.breaks }).toEqual({ ...started, breaks: false });
    const entry = record.outputs.o!;
    const digests = cache.files(entry)!.map(({ path, digest }) => [path, digest]);
    expect(Object.fromEntries(digests)).toEqual(
      Object.fromEntries(Object.entries(made!.tree).map(([name, text]) => [name, sha256(text)])),
    );
    stock.trees.set(entry.digest, made!.tree);
    // One key of the model is one key of the engine, for ever.
    expect(stock.completed.get(made!.key) ?? started.key).toBe(started.key);
    stock.completed.set(made!.key, started.key);
  }
  await cache.close();
}

interface Made {
  readonly key: string;
  readonly tree: Tree;
  readonly breaks: boolean;
}

/** Null where the code or an input is none of those that were. */
async function madeBy(
  { ingredients }: Started,
  states: readonly State[],
  known: ReadonlyMap<string, Tree>,
): Promise<Made | null> {
  const { code, params, inputs } = ingredients;
  const job = code.kind === 'shell' ? readCommand('', code.command) : await readCode(code, states);
  const trees = Object.values(inputs).flatMap((items) => items.map(({ digest }) => known.get(digest)));
  if (!job || trees.includes(undefined)) return null;
  const [label, param] = [params.k as string, params.p as number];
  const { spec, breaks } = job;
  return {
    key: modelKey(code.kind, spec, breaks, label, param, trees as Tree[]),
    tree: combine(spec, label, param, trees as Tree[]),
    breaks,
  };
}

async function readCode(
  { path, digest }: { readonly path: string; readonly digest: string },
  states: readonly State[],
): Promise<{ spec: Spec; breaks: boolean } | null> {
  const task = Number(/t(\d+)\.mjs$/.exec(path)![1]);
  const all = new Map(
    states.map((state) => {
      const [spec, breaks] = [specOf(state, task), state.broken[task]!];
      return [JSON.stringify([spec, breaks, state.tasks[task]!.inputs]), { state, spec, breaks }];
    }),
  );
  // Where there is but one, it is that; a wrong one would give two keys to one key of the model.
  for (const one of all.values()) if (all.size === 1 || (await digestOfModule(one.state, task)) === digest) return one;
  return null;
}
