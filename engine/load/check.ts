// The shape of pipeline.yml: which keys exist, and which of list, mapping or text stands behind each. Values are
// looked at later, where they are used.
import { nearest, suggest } from '../text/nearest.ts';
import { type Diagnostics, describePlace, type Span } from './span.ts';
import type { MapEntry, MapTree, ScalarTree, Tree } from './yaml.ts';

export interface TaskSpec {
  readonly name: string;
  readonly span: Span;
  readonly action: { readonly kind: 'use' | 'run'; readonly text: ScalarTree } | undefined;
  readonly matrix: MapTree | undefined;
  readonly in: ReadonlyMap<string, MapEntry>;
  readonly out: ReadonlyMap<string, MapEntry>;
  readonly params: ReadonlyMap<string, MapEntry>;
  readonly resources: ReadonlyMap<string, MapEntry>;
  readonly tools: ReadonlyMap<string, MapEntry>;
  readonly env: readonly ScalarTree[];
  readonly after: readonly ScalarTree[];
  readonly retries: Tree | undefined;
  readonly timeout: Tree | undefined;
  readonly duration: Tree | undefined;
}

export interface ProfileSpec {
  /** What it lays over the file's. */
  readonly params: MapTree | undefined;
  /** Its own `default:`, which replaces the file's. */
  readonly selectors: readonly ScalarTree[] | undefined;
}

export interface FileSpec {
  readonly params: MapTree | undefined;
  readonly profile: ScalarTree | undefined;
  readonly profiles: ReadonlyMap<string, ProfileSpec>;
  readonly selectors: readonly ScalarTree[];
  readonly pools: ReadonlyMap<string, MapEntry>;
  readonly tasks: ReadonlyMap<string, TaskSpec>;
}

export const TOP_KEYS = ['params', 'profile', 'profiles', 'default', 'pools', 'tasks'] as const;
export const TASK_KEYS = [
  ...['use', 'run', 'matrix', 'in', 'out', 'params', 'after', 'resources'],
  ...['env', 'tools', 'retries', 'timeout', 'duration'],
] as const;
export const RESOURCE_KEYS = ['cpu', 'memory', 'gpu', 'gpu_optional', 'preemptible', 'pools'] as const;
export const NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;
/** In a profile, this key is no parameter. */
const PROFILE_DEFAULT = 'default';
/** In `run:` these heads stand for the task's own, so nothing else may be called so. */
const RESERVED = new Set(['in', 'out', 'params']);

const EMPTY: ReadonlyMap<string, MapEntry> = new Map();
const NO_TEXTS: readonly ScalarTree[] = [];

export function checkShape(root: Tree, sink: Diagnostics): FileSpec | undefined {
  if (root.kind !== 'map') return sink.report(root, 'a pipeline is a mapping with the key tasks:');
  knownKeys(root, TOP_KEYS, 'pipeline.yml', sink);
  const tasks = new Map<string, TaskSpec>();
  for (const entry of mapOf(root, 'tasks', sink).values()) tasks.set(entry.key, checkTask(entry, sink));
  if (!root.entries.has('tasks')) sink.report({ ...root, end: root.start + 1 }, 'the pipeline has no tasks:');
  const params = root.entries.get('params')?.value;
  for (const entry of mapOf(root, 'params', sink).values()) checkName(entry, 'a parameter', sink);
  const profiles = new Map([...mapOf(root, 'profiles', sink)].map(([key, entry]) => [key, checkProfile(entry, sink)]));
  const profile = root.entries.get('profile')?.value;
  return {
    params: params?.kind === 'map' ? params : undefined,
    profile: profile === undefined || isNull(profile) ? undefined : textOf(profile, 'profile:', sink),
    profiles,
    selectors: textsOf(root, 'default', sink) ?? NO_TEXTS,
    pools: mapOf(root, 'pools', sink),
    tasks,
  };
}

function checkProfile({ key, value }: MapEntry, sink: Diagnostics): ProfileSpec {
  if (value.kind !== 'map') {
    if (!isNull(value)) sink.report(value, `profile "${key}" must be a mapping that overlays params:`);
    return { params: undefined, selectors: undefined };
  }
  const entries = new Map([...value.entries].filter(([name]) => name !== PROFILE_DEFAULT));
  for (const entry of entries.values()) checkName(entry, 'a parameter', sink);
  return {
    params: { ...value, entries },
    selectors: textsOf(value, PROFILE_DEFAULT, sink),
  };
}

function checkTask(entry: MapEntry, sink: Diagnostics): TaskSpec {
  checkName(entry, 'a task', sink);
  const { key: name, value, keySpan: span } = entry;
  const map: MapTree = value.kind === 'map' ? value : { kind: 'map', ...span, entries: EMPTY };
  if (value.kind !== 'map') sink.report(span, `task "${name}" must be a mapping with use: or run:`);
  else knownKeys(map, TASK_KEYS, `task "${name}"`, sink);
  const resources = mapOf(map, 'resources', sink);
  const tree = map.entries.get('resources')?.value;
  if (tree?.kind === 'map') knownKeys(tree, RESOURCE_KEYS, 'resources', sink);
  const matrix = map.entries.get('matrix')?.value;
  if (matrix && matrix.kind !== 'map' && !isNull(matrix))
    sink.report(matrix, 'matrix: must map each axis to a list, e.g. { fold: [0, 1] }');
  const out = mapOf(map, 'out', sink);
  for (const output of out.values()) checkName(output, 'an output', sink);
  const inputs = mapOf(map, 'in', sink);
  for (const input of inputs.values()) checkName(input, 'an input', sink);
  return {
    name,
    span,
    action: value.kind === 'map' ? checkAction(map, entry, sink) : undefined,
    matrix: matrix?.kind === 'map' ? matrix : undefined,
    in: inputs,
    out,
    params: mapOf(map, 'params', sink),
    resources,
    tools: mapOf(map, 'tools', sink),
    env: textsOf(map, 'env', sink) ?? NO_TEXTS,
    after: textsOf(map, 'after', sink) ?? NO_TEXTS,
    retries: map.entries.get('retries')?.value,
    timeout: map.entries.get('timeout')?.value,
    duration: map.entries.get('duration')?.value,
  };
}

function checkAction(map: MapTree, task: MapEntry, sink: Diagnostics): TaskSpec['action'] {
  const use = map.entries.get('use');
  const run = map.entries.get('run');
  if (use && run)
    return sink.report(
      run.keySpan,
      `task "${task.key}" has both use: and run:`,
      `keep one; use: is at ${describePlace(use.keySpan)}`,
    );
  const entry = use ?? run;
  // A misspelt one is told already, as an unknown key.
  if (!entry && [...map.entries.keys()].some((key) => /^(?:use|run)$/.test(nearest(key, TASK_KEYS) ?? '')))
    return undefined;
  if (!entry)
    return sink.report(
      task.keySpan,
      `task "${task.key}" does nothing`,
      'add use: (a TypeScript module) or run: (a shell command)',
    );
  const text = textOf(entry.value, `${entry.key}:`, sink, entry.keySpan);
  return text && { kind: use ? 'use' : 'run', text };
}

function checkName(entry: MapEntry, what: string, sink: Diagnostics): void {
  if (!NAME.test(entry.key)) sink.report(entry.keySpan, `"${entry.key}" cannot name ${what}`, NAME_RULE);
  else if (RESERVED.has(entry.key) && (what === 'a parameter' || what === 'a task'))
    sink.report(
      entry.keySpan,
      `"${entry.key}" cannot name ${what}`,
      `\${${entry.key}.…} has a meaning of its own in run:`,
    );
  else if (entry.key === PROFILE_DEFAULT && what === 'a parameter')
    sink.report(
      entry.keySpan,
      `"${entry.key}" cannot name ${what}`,
      'in a profile it says what a bare `dag run` builds; the one of all profiles stands outside of params:',
    );
}

export const NAME_RULE = 'a name is letters, digits, _ and -, and begins with a letter or _';

function knownKeys(map: MapTree, keys: readonly string[], where: string, sink: Diagnostics): void {
  for (const entry of map.entries.values())
    if (!keys.includes(entry.key))
      sink.report(
        entry.keySpan,
        `unknown key "${entry.key}" in ${where}`,
        suggest(entry.key, keys) ?? `known keys: ${keys.join(', ')}`,
      );
}

const isNull = (tree: Tree): boolean => tree.kind === 'scalar' && tree.value === null;

/** The entries of a mapping behind a key; none when the key is absent or empty. */
function mapOf(map: MapTree, key: string, sink: Diagnostics): ReadonlyMap<string, MapEntry> {
  const value = map.entries.get(key)?.value;
  if (value === undefined || isNull(value)) return EMPTY;
  if (value.kind === 'map') return value.entries;
  sink.report(value, `${key}: must be a mapping`);
  return EMPTY;
}

/** One text, or a list of texts; undefined where the key is absent or empty. */
function textsOf(map: MapTree, key: string, sink: Diagnostics): readonly ScalarTree[] | undefined {
  const value = map.entries.get(key)?.value;
  if (value === undefined || isNull(value)) return undefined;
  const items = value.kind === 'list' ? value.items : [value];
  return items.flatMap((item) => textOf(item, `${key}:`, sink) ?? []);
}

function textOf(tree: Tree, what: string, sink: Diagnostics, emptySpan: Span = tree): ScalarTree | undefined {
  if (tree.kind === 'scalar' && typeof tree.value === 'string' && tree.value !== '') return tree;
  const hint = tree.kind === 'scalar' && tree.value !== null && tree.value !== '' ? 'put it in quotes' : undefined;
  return sink.report(isNull(tree) ? emptySpan : tree, `${what} must be a text`, hint);
}
