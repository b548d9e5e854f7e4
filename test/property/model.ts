// A random project as plain data: how it is written to the disk (pipeline.yml, modules, sources), and what a clean build of
// it makes, computed by an interpreter that knows nothing of keys, caches or order.
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { combine, readTree, type Spec, type Tree, writeTree } from './combine.mjs';

export const SOURCES = 3;
const PARAMS = 2;
/** Labels of the one axis; a task without it has the label ''. */
const LABELS = ['x', 'z'] as const;

interface TaskModel {
  readonly kind: 'shell' | 'module';
  readonly matrix: boolean;
  readonly folder: boolean;
  readonly lossy: boolean;
  /** Indices: below SOURCES a source, beyond a task before this one; out of range wraps around. */
  readonly inputs: readonly number[];
  readonly param: number | null;
}

/** What edits change. Source 0 is a folder of as many files as its number has bits, the others are files. */
export interface State {
  readonly tasks: TaskModel[];
  readonly sources: number[];
  readonly params: number[];
  readonly versions: number[];
  readonly comments: number[];
  /** Tasks whose code fails. */
  readonly broken: boolean[];
}

export const taskArbitrary: fc.Arbitrary<TaskModel> = fc.record({
  kind: fc.constantFrom('shell' as const, 'module' as const),
  matrix: fc.boolean(),
  folder: fc.boolean(),
  lossy: fc.boolean(),
  inputs: fc.array(fc.nat(100), { minLength: 1, maxLength: 3 }),
  param: fc.option(fc.nat(PARAMS - 1)),
});

export function initialState(tasks: readonly TaskModel[]): State {
  return {
    tasks: [...tasks],
    sources: Array.from({ length: SOURCES }, (_, at) => at + 1),
    params: Array.from({ length: PARAMS }, () => 0),
    versions: tasks.map(() => 0),
    comments: tasks.map(() => 0),
    broken: tasks.map(() => false),
  };
}

export const copyOf = (state: State): State => structuredClone(state);

export type Edit = {
  readonly do: 'edit source' | 'edit parameter' | 'edit code' | 'edit comment' | 'break' | 'rewire' | 'spread';
  readonly at: number;
  readonly to: number;
};

/** The last two change the graph: what a task reads, and whether it has a matrix. */
export function edit(state: State, { do: what, at, to }: Edit): void {
  const task = at % state.tasks.length;
  const model = state.tasks[task]!;
  if (what === 'edit source') state.sources[at % SOURCES] = to % 8;
  if (what === 'edit parameter') state.params[at % PARAMS] = to % 3;
  if (what === 'edit code') state.versions[task] = to % 4;
  if (what === 'edit comment') state.comments[task] = to % 4;
  if (what === 'break') state.broken[task] = !state.broken[task];
  if (what === 'rewire') state.tasks[task] = { ...model, inputs: [...model.inputs.slice(1), to] };
  if (what === 'spread') state.tasks[task] = { ...model, matrix: !model.matrix };
}

const NO_LABEL = 'none';

const nameOf = (task: number) => `t${task}`;
const labelsOf = (task: TaskModel) => (task.matrix ? LABELS : ['']);
const nodeName = (task: number, label: string) => (label === '' ? nameOf(task) : `${nameOf(task)}[k=${label}]`);
const outputPath = (task: number, label: string) => `out/${nameOf(task)}${label}`;
const sourcePath = (source: number) => (source === 0 ? 's0' : `s${source}.txt`);

function inputsOf(state: State, task: number): number[] {
  return [...new Set(state.tasks[task]!.inputs.map((input) => input % (SOURCES + task)))];
}

export function specOf(state: State, task: number): Spec {
  const { lossy, folder } = state.tasks[task]!;
  return { name: nameOf(task), version: state.versions[task]!, lossy, folder };
}

export function sourceTree(state: State, source: number): Tree {
  const value = state.sources[source]!;
  if (source > 0) return { '': `source ${source} ${value}\n` };
  return Object.fromEntries([0, 1, 2].filter((bit) => value & (1 << bit)).map((bit) => [`f${bit}`, `bit ${bit}\n`]));
}

// ---- On the disk

/** Writes what differs from what lies there, as an editor would, and returns the places. */
export function writeProject(root: string, state: State): string[] {
  const trees: [string, Tree][] = [
    ...state.sources.map((_, source): [string, Tree] => [sourcePath(source), sourceTree(state, source)]),
    ['tasks/combine.mjs', COMBINE],
    ['pipeline.yml', { '': pipelineText(state) }],
  ];
  for (const [task, { kind }] of state.tasks.entries())
    if (kind === 'module') trees.push([modulePath(task), { '': moduleText(state, task) }]);
  return trees.flatMap(([name, tree]) => {
    const place = path.join(root, name);
    if (JSON.stringify(treeAt(place)) === JSON.stringify(tree)) return [];
    return [writeAnew(place, tree)];
  });
}

const COMBINE = readTree(path.join(import.meta.dirname, 'combine.mjs'));

export const writeSource = (root: string, state: State, source: number) =>
  writeAnew(path.join(root, sourcePath(source)), sourceTree(state, source));

function writeAnew(place: string, tree: Tree): string {
  if (!('' in tree)) {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place, { recursive: true });
  }
  writeTree(place, tree);
  return place;
}

/** What lies there, or null. */
export function treeAt(place: string): Tree | null {
  try {
    return readTree(place);
  } catch {
    return null;
  }
}

export const modulePath = (task: number) => `tasks/${nameOf(task)}.mjs`;

function pipelineText(state: State): string {
  const params = state.params.map((value, at) => `p${at}: ${value}`).join(', ');
  return `params: { ${params} }\ntasks:\n${state.tasks.map((_, task) => taskText(state, task)).join('')}`;
}

function taskText(state: State, task: number): string {
  const { kind, matrix, param } = state.tasks[task]!;
  const inputs = inputsOf(state, task);
  const named = inputs.map((input, at) =>
    input < SOURCES ? `i${at}: ${sourcePath(input)}` : `i${at}: "\${${nameOf(input - SOURCES)}.o}"`,
  );
  const own = [`k: ${matrix ? '"${k}"' : NO_LABEL}`, `p: ${param === null ? 0 : `"\${p${param}}"`}`];
  const lines = [
    `# ${state.comments[task]}`,
    kind === 'module' ? `use: ${modulePath(task)}` : `run: ${JSON.stringify(commandOf(state, task))}`,
    ...(matrix ? [`matrix: { k: [${LABELS.join(', ')}] }`] : []),
    `params: { ${own.join(', ')} }`,
    `in: { ${named.join(', ')} }`,
    `out: { o: "${outputPath(task, matrix ? '${k}' : '')}" }`,
  ];
  return `  ${nameOf(task)}:\n${lines.map((line) => `    ${line}\n`).join('')}`;
}

function commandOf(state: State, task: number): string {
  const program = `"${process.execPath}" tasks/combine.mjs '${JSON.stringify(specOf(state, task))}'`;
  const reads = inputsOf(state, task).map((_, at) => `\${in.i${at}}`);
  const words = [program, '${params.k}', '${params.p}', '${out.o}', ...reads];
  return `${words.join(' ')}${state.broken[task] ? ' && exit 3' : ''}`;
}

export function moduleText(state: State, task: number): string {
  const ending = state.broken[task] ? "throw new Error('broken');" : '';
  return `// ${state.comments[task]}
import { work } from './combine.mjs';
export default {
  run(ctx) {
    const local${state.comments[task]} = ${JSON.stringify(specOf(state, task))};
    const inputs = [${inputsOf(state, task).map((_, at) => `...ctx.inputs('i${at}')`)}].map((one) => one.path);
    work(local${state.comments[task]}, ctx.params.k, ctx.params.p, ctx.output('o'), inputs);
    ${ending}
  },
};
`;
}

// ---- A clean build

export interface Built {
  readonly node: string;
  readonly task: number;
  readonly path: string;
  readonly tree: Tree;
  /** Everything that the result depends on, and nothing else. */
  readonly key: string;
  readonly needs: readonly string[];
  /** Its own code fails, or that of something it needs. */
  readonly fails: boolean;
  readonly sources: readonly number[];
}

/** Every node by name, in an order in which they can run. */
export function cleanBuild(state: State): Map<string, Built> {
  const built = new Map<string, Built>();
  for (const [task, model] of state.tasks.entries())
    for (const label of labelsOf(model)) built.set(nodeName(task, label), buildNode(state, task, label, built));
  return built;
}

function buildNode(state: State, task: number, label: string, built: ReadonlyMap<string, Built>): Built {
  const { kind, param } = state.tasks[task]!;
  const inputs = inputsOf(state, task);
  const producers = inputs.map((input) => (input < SOURCES ? [] : producersOf(state, input - SOURCES, label)));
  const trees = inputs.flatMap((input, at) =>
    input < SOURCES ? [sourceTree(state, input)] : producers[at]!.map((name) => built.get(name)!.tree),
  );
  const spec = specOf(state, task);
  const value = param === null ? 0 : state.params[param]!;
  const needs = producers.flat();
  return {
    node: nodeName(task, label),
    task,
    path: outputPath(task, label),
    tree: combine(spec, label || NO_LABEL, value, trees),
    key: modelKey(kind, spec, state.broken[task]!, label || NO_LABEL, value, trees),
    needs,
    fails: state.broken[task]! || needs.some((name) => built.get(name)!.fails),
    sources: inputs.filter((input) => input < SOURCES),
  };
}

export function modelKey(
  kind: TaskModel['kind'],
  spec: Spec,
  broken: boolean,
  label: string,
  param: number,
  trees: readonly Tree[],
): string {
  return JSON.stringify([kind, spec, broken, label, param, trees]);
}

function producersOf(state: State, task: number, label: string): string[] {
  if (!state.tasks[task]!.matrix) return [nameOf(task)];
  return (label === '' ? LABELS : [label]).map((one) => nodeName(task, one));
}
