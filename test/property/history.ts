// A random history of a random project, and what must be so after each of its steps: outputs are those of a clean build, the
// nodes that ran are exactly those whose key was never completed, and what was complete stays so.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { NodeRecord, NodeState } from '../../engine/state/record.ts';
import { open, type RunOrder, type RunStory, recordedKeys, treeAt } from './engine.ts';
import {
  type Built,
  cleanBuild,
  copyOf,
  initialState,
  PARAMS,
  SOURCES,
  type State,
  taskArbitrary,
  writeProject,
  writeSource,
} from './model.ts';

type Operation =
  | {
      readonly do: 'edit source' | 'edit parameter' | 'edit code' | 'edit comment';
      readonly at: number;
      readonly to: number;
    }
  | { readonly do: 'break' | 'delete output' | 'tamper'; readonly at: number }
  | { readonly do: 'revert'; readonly back: number }
  | { readonly do: 'collect'; readonly mask: number }
  | ({ readonly do: 'run' } & {
      readonly node: number | null;
      readonly force: boolean;
      readonly killAt: number | null;
      readonly editMeanwhile: number | null;
    });

const at = fc.nat(1000);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('edit source' as const), at, to: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('edit parameter' as const), at, to: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('edit code' as const), at, to: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('edit comment' as const), at, to: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('break' as const, 'delete output' as const), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('tamper' as const), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revert' as const), back: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('collect' as const), mask: fc.nat(0xffff) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('run' as const),
      node: fc.option(at, { freq: 2 }),
      force: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
      killAt: fc.option(fc.nat(40), { freq: 2 }),
      editMeanwhile: fc.option(fc.nat(SOURCES - 1), { freq: 1, nil: null }).map((one) => (one === 0 ? null : one)),
    }),
  },
);

/** A project and what happens to it. */
export const history = fc.record({
  tasks: fc.array(taskArbitrary, { minLength: 1, maxLength: 6 }),
  operations: fc.array(operation, { minLength: 3, maxLength: 14 }),
});

/** What must be so by now. */
interface World {
  readonly root: string;
  state: State;
  readonly past: State[];
  /** The model's key → the engine's, of what is recorded. */
  readonly completed: Map<string, string>;
  /** Model keys that ran while something happened: recorded or not. */
  readonly unsure: Set<string>;
  runs: number;
  readonly engine: Engine;
}

/** Makes one run. */
export type Engine = (root: string, order: RunOrder, runId: string) => Promise<RunStory>;

type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

export async function tryHistory({ tasks, operations }: History, engine: Engine): Promise<void> {
  const root = mkdtempSync(path.join(fastDisk(), 'dag-property-'));
  const state = initialState(tasks);
  const world: World = { root, state, past: [], completed: new Map(), unsure: new Set(), runs: 0, engine };
  try {
    writeProject(root, state);
    for (const one of operations) await perform(world, one);
    await endWell(world);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function fastDisk(): string {
  try {
    rmSync(mkdtempSync('/dev/shm/dag-'), { recursive: true });
    return '/dev/shm';
  } catch {
    return os.tmpdir();
  }
}

async function perform(world: World, one: Operation): Promise<void> {
  const { root } = world;
  switch (one.do) {
    case 'run':
      return runAndCheck(world, one);
    case 'collect':
      return collect(world, one.mask);
    case 'delete output':
      return rmSync(path.join(root, pick(world, one.at).path), { recursive: true, force: true });
    case 'tamper':
      return tamper(path.join(root, pick(world, one.at).path));
    default:
      edit(world, one);
  }
}

function edit(world: World, one: Exclude<Operation, { do: 'run' | 'collect' | 'delete output' | 'tamper' }>): void {
  const before = copyOf(world.state);
  const { state } = world;
  if (one.do === 'revert') world.state = copyOf(world.past.at(-1 - one.back) ?? state);
  else {
    const task = one.at % state.tasks.length;
    if (one.do === 'edit source') state.sources[one.at % SOURCES] = one.to;
    if (one.do === 'edit parameter') state.params[one.at % PARAMS] = one.to;
    if (one.do === 'edit code') state.versions[task] = one.to;
    if (one.do === 'edit comment') state.comments[task] = one.to;
    if (one.do === 'break') state.broken[task] = !state.broken[task];
  }
  world.past.push(before);
  for (let source = 0; source < SOURCES; source++)
    if (before.sources[source] !== world.state.sources[source]) writeSource(world.root, world.state, source);
  writeText(world);
}

function writeText({ root, state }: World): void {
  writeProject(root, state);
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

async function runAndCheck(world: World, one: Extract<Operation, { do: 'run' }>): Promise<void> {
  const { root } = world;
  const target = one.node === null ? null : pick(world, one.node).node;
  const build = cleanBuild(world.state);
  const lay = new Map([...build.values()].map(({ node, path: file }) => [node, treeAt(path.join(root, file))]));
  const order: RunOrder = {
    selectors: target === null ? [] : [target],
    force: one.force,
    killAt: one.killAt,
    meanwhile: one.editMeanwhile === null ? null : () => editMeanwhile(world, one.editMeanwhile!),
  };
  const story = await world.engine(root, order, `run-${world.runs++}`);
  const after = cleanBuild(world.state);
  if (story.summary === null || one.editMeanwhile !== null) return takeStock(world, build, after, story);

  const wanted = target === null ? [...build.keys()] : needsOf(build, target);
  const forced = one.force ? new Set(target === null ? wanted : [target]) : new Set<string>();
  const expected = expectation(world, build, wanted, forced, lay);
  const { ran, fresh, restored, failed } = story.summary;
  expect({ ran: sorted(ran), fresh: sorted(fresh), restored: sorted(restored), failed: sorted(failed) }).toEqual(
    withUnsure(expected, world, build, story),
  );
  for (const name of ran) complete(world, build.get(name)!.key, story.started.get(name)!);
  expectOutputs(
    root,
    wanted.map((name) => build.get(name)!).filter((node) => !node.fails),
  );
}

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
    else if (forced.has(name) || !world.completed.has(node.key)) found.ran.push(name);
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

/** Of what ran while an input was edited, or when the process died, the record may be there or not: both are right. */
function withUnsure(expected: Expected, world: World, build: ReadonlyMap<string, Built>, story: RunStory): Expected {
  const summary = story.summary!;
  const open = new Set(
    expected.ran.filter((name) => world.unsure.has(build.get(name)!.key) && !summary.ran.includes(name)),
  );
  const among = (names: readonly string[]) => [...open].filter((name) => names.includes(name));
  return {
    ...expected,
    ran: expected.ran.filter((name) => !open.has(name)),
    fresh: [...expected.fresh, ...among(summary.fresh)].sort(),
    restored: [...expected.restored, ...among(summary.restored)].sort(),
  };
}

/** After a kill, or a run during which an input changed: what was told to be done is, and the rest may be. */
async function takeStock(
  world: World,
  before: ReadonlyMap<string, Built>,
  after: ReadonlyMap<string, Built>,
  story: RunStory,
): Promise<void> {
  const records = await recordedKeys(world.root);
  const still = [...before].every(([name, node]) => after.get(name)!.key === node.key);
  for (const [name, key] of story.started) {
    if (story.done.has(name)) expect(records.has(key)).toBe(true);
    if (still && records.has(key)) complete(world, before.get(name)!.key, key);
    else for (const build of [before, after]) world.unsure.add(build.get(name)!.key);
  }
}

function complete(world: World, model: string, engine: string): void {
  // One key of the model is one key of the engine, for ever.
  expect(world.completed.get(model) ?? engine).toBe(engine);
  world.completed.set(model, engine);
}

function editMeanwhile(world: World, source: number): void {
  world.past.push(copyOf(world.state));
  world.state = copyOf(world.state);
  world.state.sources[source] = (world.state.sources[source]! + 1) % 8;
  writeSource(world.root, world.state, source);
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
  for (const [model, engine] of world.completed) if (dropped.has(engine)) world.completed.delete(model);
}

/** At the end all is built, as a clean build would, and then nothing is left to do. */
async function endWell(world: World): Promise<void> {
  const all = { do: 'run', node: null, force: false, killAt: null, editMeanwhile: null } as const;
  await runAndCheck(world, all);
  const build = [...cleanBuild(world.state).values()];
  const again = await world.engine(
    world.root,
    { selectors: [], force: false, killAt: null, meanwhile: null },
    'run-last',
  );
  expect(again.summary).toMatchObject({ ran: [], restored: [] });
  expect(sorted(again.summary!.fresh)).toEqual(sorted(build.filter((node) => !node.fails).map(({ node }) => node)));
}

function expectOutputs(root: string, nodes: readonly Built[]): void {
  for (const { node, path: file, tree } of nodes)
    expect({ node, tree: treeAt(path.join(root, file)) }).toEqual({ node, tree });
}

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
