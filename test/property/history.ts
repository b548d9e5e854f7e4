// A random history of a random project, and what must be so after each of its steps: outputs are those of a clean build, the
// nodes that ran are exactly those whose key was never completed, what was complete stays so, and nothing wrong is recorded.
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import type { NodeRecord, NodeState } from '../../engine/model/record.ts';
import { newFolder } from './digests.ts';
import { open, type RunOrder, type RunStory } from './engine.ts';
import {
  type Built,
  cleanBuild,
  copyOf,
  edit,
  initialState,
  SOURCES,
  type State,
  treeAt,
  writeProject,
  writeSource,
} from './model.ts';
import { ALL, type AnyEdit, type History, type Operation, type RunOperation } from './operations.ts';
import { emptyStock, type Stock, takeStock } from './stock.ts';

/** What must be so by now. */
interface World {
  readonly root: string;
  state: State;
  readonly past: State[];
  readonly stock: Stock;
  runs: number;
  readonly engine: Engine;
}

/** Makes one run. */
export type Engine = (root: string, order: RunOrder, runId: string) => Promise<RunStory>;

export async function tryHistory({ tasks, operations }: History, engine: Engine): Promise<void> {
  const root = newFolder();
  const state = initialState(tasks);
  const world: World = { root, state, past: [], stock: emptyStock(), runs: 0, engine };
  try {
    writeProject(root, state);
    for (const one of operations) await perform(world, one);
    await runAndCheck(world, ALL);
    const again = await runAndCheck(world, ALL);
    expect(again).toMatchObject({ ran: [], restored: [] });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function perform(world: World, one: Operation): Promise<void> {
  const { root } = world;
  switch (one.do) {
    case 'run':
      await runAndCheck(world, one);
      // Whatever a watched run leaves is made right by the next one.
      if (one.watch) await runAndCheck(world, ALL);
      return;
    case 'collect':
      return collect(world, one.mask);
    case 'delete output':
      return rmSync(path.join(root, pick(world, one.at).path), { recursive: true, force: true });
    case 'tamper':
      return tamper(path.join(root, pick(world, one.at).path));
    default:
      change(world, one);
  }
}

/** Returns the places that were written. */
function change(world: World, one: AnyEdit): string[] {
  const before = world.state;
  world.state = copyOf(one.do === 'revert' ? (world.past.at(-1 - one.back) ?? before) : before);
  if (one.do !== 'revert') edit(world.state, one);
  world.past.push(before);
  // A source even where it is what it was.
  const source = one.do === 'edit source' ? [writeSource(world.root, world.state, one.at % SOURCES)] : [];
  return [...source, ...writeProject(world.root, world.state)];
}

function pick({ state }: World, at: number): Built {
  const all = [...cleanBuild(state).values()];
  return all[at % all.length]!;
}

function tamper(place: string): void {
  const tree = treeAt(place);
  if (!tree) return;
  if ('' in tree) appendFileSync(place, 'x');
  else {
    writeFileSync(path.join(place, 'c'), 'x');
    writeFileSync(path.join(place, 'extra'), 'y');
  }
}

/** Returns the summary, unless the process died. */
async function runAndCheck(world: World, one: RunOperation): Promise<RunStory['summary']> {
  const { root } = world;
  const target = one.node === null ? null : pick(world, one.node).node;
  const build = cleanBuild(world.state);
  const lay = new Map([...build.values()].map(({ node, path: file }) => [node, treeAt(path.join(root, file))]));
  const wanted = wantedOf(build, target);
  const forced = one.force ? new Set(target === null ? wanted : [target]) : new Set<string>();
  const expected = expectation(world, build, wanted, forced, lay);

  const { story, states } = await runAmongEdits(world, one, target);
  await takeStock(world.stock, root, states, story);
  if (!one.force) expect(story.done).toEqual([...new Set(story.done)]);

  const { summary } = story;
  if (!summary) return null;
  const { ran, fresh, restored, failed } = summary;
  const ended = [...ran, ...fresh, ...restored, ...failed];
  expect(ended).toEqual([...new Set(ended)]);
  if (states.length === 1 && one.stopAt === null) {
    const found = { ran: sorted(ran), fresh: sorted(fresh), restored: sorted(restored), failed: sorted(failed) };
    expect(found).toEqual(expected);
    const made = wanted.filter((name) => !build.get(name)!.fails);
    expectOutputs(root, build, made);
  }
  if (one.watch && story.isFollowed && summary.ok && haveSameGraph(states)) {
    const now = cleanBuild(world.state);
    const all = wantedOf(now, target);
    expect(sorted(ended)).toEqual(sorted(all));
    expectOutputs(root, now, all);
  }
  return summary;
}

/** And the states in which the project was meanwhile. */
async function runAmongEdits(
  world: World,
  one: RunOperation,
  target: string | null,
): Promise<{ story: RunStory; states: readonly State[] }> {
  const states = [world.state];
  const changing = (work: () => string[]) => () => {
    const places = work();
    states.push(world.state);
    return places;
  };
  const edits = one.watch?.edits.map(({ at, seenAfter, edit }) => ({
    at,
    seenAfter,
    make: once(changing(() => change(world, edit))),
  }));
  const order: RunOrder = {
    selectors: target === null ? [] : [target],
    force: one.force,
    keepGoing: one.watch?.keepGoing ?? true,
    killAt: one.killAt,
    stopAt: one.stopAt,
    meanwhile: one.editMeanwhile === null ? null : changing(() => editMeanwhile(world, one.editMeanwhile!)),
    edits: edits ?? null,
    patient: one.watch?.patient ?? false,
  };
  const story = await world.engine(world.root, order, `run-${world.runs++}`);
  for (const { make } of edits ?? []) make();
  return { story, states };
}

function once<T>(work: () => T[]): () => T[] {
  let left: (() => T[]) | null = work;
  return () => {
    const now = left;
    left = null;
    return now?.() ?? [];
  };
}

/** Of the same sources: a run hears only of edits of what it does with them. */
const haveSameGraph = (states: readonly State[]) =>
  new Set(states.map(({ sources, tasks }) => JSON.stringify([sources, tasks]))).size === 1;

interface Expected {
  readonly ran: string[];
  readonly fresh: string[];
  readonly restored: string[];
  readonly failed: string[];
}

function expectation(
  world: World,
  build: ReadonlyMap<string, Built>,
  wanted: readonly string[],
  forced: ReadonlySet<string>,
  lay: ReadonlyMap<string, unknown>,
): Expected {
  const found: Expected = { ran: [], fresh: [], restored: [], failed: [] };
  for (const name of wanted) {
    const node = build.get(name)!;
    if (node.needs.some((need) => build.get(need)!.fails)) continue; // Blocked.
    if (node.fails) found.failed.push(name);
    else if (forced.has(name) || !world.stock.completed.has(node.key)) found.ran.push(name);
    else if (JSON.stringify(lay.get(name)) === JSON.stringify(node.tree)) found.fresh.push(name);
    else found.restored.push(name);
  }
  return {
    ran: found.ran.sort(),
    fresh: found.fresh.sort(),
    restored: found.restored.sort(),
    failed: found.failed.sort(),
  };
}

function editMeanwhile(world: World, source: number): string[] {
  const to = (world.state.sources[source]! + 1) % 8;
  return change(world, { do: 'edit source', at: source, to });
}

/** Drops some of the records that no node's artifacts are made of, as `dag gc` would. */
async function collect(world: World, mask: number): Promise<void> {
  const cache = open(world.root);
  const current = new Set(cache.ids('nodes').map((name) => (cache.get('nodes', name) as NodeState).key as string));
  const drop = cache.ids('records').filter((id, index) => !current.has(id) && mask & (1 << (index % 16)));
  await cache.collect({
    drop,
    entriesOf: (record) => Object.values((record as NodeRecord).outputs),
    mayDrop: () => true,
    dryRun: false,
    onWait: () => {},
  });
  await cache.close();
  const dropped = new Set(drop);
  for (const [model, engine] of world.stock.completed) if (dropped.has(engine)) world.stock.completed.delete(model);
}

function expectOutputs(root: string, build: ReadonlyMap<string, Built>, names: readonly string[]): void {
  for (const node of names) {
    const { path: file, tree } = build.get(node)!;
    expect({ node, tree: treeAt(path.join(root, file)) }).toEqual({ node, tree });
  }
}

/** `target`: null for all. */
const wantedOf = (build: ReadonlyMap<string, Built>, target: string | null) =>
  target === null ? [...build.keys()] : needsOf(build, target);

function needsOf(build: ReadonlyMap<string, Built>, target: string): string[] {
  const names = new Set<string>();
  const visit = (name: string) => {
    if (names.has(name)) return;
    for (const need of build.get(name)!.needs) visit(need);
    names.add(name);
  };
  visit(target);
  return [...names];
}

const sorted = (names: readonly string[]) => [...names].sort();
