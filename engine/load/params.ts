// The parameters of a load: `params:` under the profile under `--set`, and their values, which may refer to each other.

import { nearest, suggest } from '../text/nearest.ts';
import type { Reference } from './reference.ts';
import type { Diagnostics, Origin, Span } from './span.ts';
import { isLiteral, join, nameOf, readTemplate, type Template } from './template.ts';
import { Artifact, DEEPEST, literal, type Value, walk } from './values.ts';
import { type MapEntry, type MapTree, parseYaml, type Tree } from './yaml.ts';

/** `over` on `under`: mappings merge, everything else replaces. */
export function overlay(under: Tree | undefined, over: Tree): Tree {
  if (under?.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(under.entries);
  for (const [key, entry] of over.entries) {
    const before = entries.get(key);
    entries.set(key, before ? { ...entry, value: overlay(before.value, entry.value) } : entry);
  }
  return { ...over, entries };
}

/** Applies one `a.b=c`. A path that leads nowhere is an error: a misspelt setting must not be silently without effect. */
export function applySetting(params: MapTree, setting: string, sink: Diagnostics): MapTree {
  const equals = setting.indexOf('=');
  const origin: Origin = { file: `--set ${setting}`, text: setting.slice(equals + 1), placed: false };
  const span: Span = { origin, start: 0, end: 0 };
  const path = setting.slice(0, Math.max(0, equals)).trim().split('.');
  if (equals < 0 || path.some((part) => part === '')) {
    sink.report(span, 'a setting is written NAME=VALUE', 'e.g. --set epochs=3, or --set train_resources.cpu=2');
    return params;
  }
  const value = parseYaml(origin, sink) ?? { kind: 'scalar', value: null, verbatim: -1, ...span };
  return (set(params, path, 0, value, span, sink) ?? params) as MapTree;
}

function set(
  tree: Tree,
  path: readonly string[],
  depth: number,
  value: Tree,
  span: Span,
  sink: Diagnostics,
): Tree | undefined {
  const key = path[depth];
  if (key === undefined) return overlay(tree, value);
  const where = depth === 0 ? 'the parameters' : `"${path.slice(0, depth).join('.')}"`;
  if (tree.kind === 'list' && /^\d+$/.test(key)) {
    const item = tree.items[Number(key)];
    if (!item) return sink.report(span, `${where} has ${tree.items.length} items, so none at ${key}`);
    const changed = set(item, path, depth + 1, value, span, sink);
    return changed && { ...tree, items: tree.items.with(Number(key), changed) };
  }
  const entry = tree.kind === 'map' ? tree.entries.get(key) : undefined;
  if (tree.kind !== 'map' || !entry) {
    const keys = tree.kind === 'map' ? [...tree.entries.keys()] : [];
    const what = depth === 0 ? `there is no parameter "${key}"` : `${where} has no "${key}"`;
    return sink.report(span, what, suggest(key, keys));
  }
  const changed = set(entry.value, path, depth + 1, value, span, sink);
  return changed && { ...tree, entries: new Map(tree.entries).set(key, { ...entry, value: changed }) };
}

export interface Params {
  names(): Iterable<string>;
  has(name: string): boolean;
  place(name: string): Span | undefined;
  /** The value of `${name.field…}`; undefined after a reported error. */
  get(reference: Reference, span: Span): Value | undefined;
  /** Evaluates a tree that stands outside of any task, so that only parameters (and outputs) may be named. */
  evaluate(tree: Tree): Value | undefined;
  /** Evaluates every parameter, so that a misspelt one is told even where nothing uses it. */
  checkAll(): void;
}

export interface ParamScope {
  isTask(name: string): boolean;
  taskNames(): Iterable<string>;
  /** Checks `${task.output}` and reports what is wrong with it. */
  checkOutput(reference: Reference, span: Span): boolean;
  /** The same for `task` alone with its picks, as `after:` names it. */
  checkTask(reference: Reference, span: Span): boolean;
  /** A profile that defines a parameter the current one lacks, for the hint. */
  profileWith(name: string): string | undefined;
}

export function createParams(root: MapTree | undefined, scope: ParamScope, sink: Diagnostics): Params {
  const entries: ReadonlyMap<string, MapEntry> = root?.entries ?? new Map();
  const done = new Map<Tree, Value | undefined>();
  const stack: { tree: Tree; name: string }[] = [];
  let current = '';

  function evaluate(tree: Tree): Value | undefined {
    if (tree.kind === 'scalar' && isLiteral(tree)) return literal(tree);
    if (done.has(tree)) return done.get(tree);
    if (stack.some((open) => open.tree === tree)) return loop(tree);
    if (stack.length > DEEPEST) return sink.report(tree, `references to references, more than ${DEEPEST} deep`);
    stack.push({ tree, name: current });
    const value = evaluateNew(tree);
    stack.pop();
    done.set(tree, value);
    return value;
  }

  function evaluateNew(tree: Tree): Value | undefined {
    if (tree.kind === 'scalar') {
      const template = readTemplate(tree, sink);
      return template && join(template, (reference) => resolve(reference, template), sink);
    }
    if (tree.kind === 'list') return complete(tree.items.map(evaluate));
    const values = [...tree.entries.values()].map((entry) => evaluate(entry.value));
    if (!complete(values)) return undefined;
    return Object.fromEntries([...tree.entries.keys()].map((key, i) => [key, values[i]!]));
  }

  function resolve(reference: Reference, template: Template): Value | undefined {
    const span = template.spanOf(reference);
    const { head } = reference;
    if (entries.has(head) && scope.isTask(head)) return ambiguous(head, ['a parameter', 'a task'], span, sink);
    if (entries.has(head)) return get(reference, span);
    if (scope.isTask(head)) return scope.checkOutput(reference, span) ? new Artifact(reference, span, '') : undefined;
    return unknownHead(head, [...entries.keys(), ...scope.taskNames()], span, sink, scope.profileWith(head));
  }

  function get(reference: Reference, span: Span): Value | undefined {
    if (refusePicks(reference, span, sink)) return undefined;
    const { head, fields, optional } = reference;
    const before = current;
    current = head;
    // Walking the tree before evaluating lets `a: {x: "${a.y}", y: 1}` stand, which is no loop.
    let tree: Tree = entries.get(head)!.value;
    let depth = 0;
    for (; depth < fields.length && tree.kind === 'map'; depth++) {
      const next: Tree | undefined = tree.entries.get(fields[depth]!)?.value;
      if (!next) break;
      tree = next;
    }
    const value = evaluate(tree);
    current = before;
    return value === undefined
      ? undefined
      : walk(value, [head, ...fields.slice(0, depth)].join('.'), fields.slice(depth), span, sink, optional);
  }

  function loop(tree: Tree): undefined {
    const names = stack.slice(stack.findIndex((open) => open.tree === tree)).map((open) => open.name);
    const first = stack.find((open) => open.tree === tree)!;
    const path = names.filter((name, i) => name !== names[i - 1]);
    return sink.report(first.tree, `parameters refer to each other in a loop: ${[...path, path[0]].join(' → ')}`);
  }

  return {
    names: () => entries.keys(),
    has: (name) => entries.has(name),
    place: (name) => entries.get(name)?.keySpan,
    get,
    evaluate,
    checkAll() {
      for (const entry of entries.values()) {
        current = entry.key;
        evaluate(entry.value);
      }
    },
  };
}

const complete = (values: (Value | undefined)[]): Value[] | undefined =>
  values.includes(undefined) ? undefined : (values as Value[]);

export function refusePicks(reference: Reference, span: Span, sink: Diagnostics): boolean {
  if (reference.picks.length === 0) return false;
  sink.report(span, `${nameOf(reference)} is not an output of a task, so [axis=value] cannot pick from it`);
  return true;
}

export function ambiguous(head: string, meanings: readonly string[], span: Span, sink: Diagnostics): undefined {
  return sink.report(span, `"${head}" could mean ${meanings.join(' or ')}`, 'rename one of them');
}

export function unknownHead(
  head: string,
  names: readonly string[],
  span: Span,
  sink: Diagnostics,
  profile: string | undefined,
): undefined {
  if (profile !== undefined)
    return sink.report(
      span,
      `"${head}" is a parameter of profile "${profile}" only`,
      'give it a value under params: too',
    );
  if (nearest(head, names) === undefined && /^[A-Z][A-Z0-9_]*$/.test(head))
    return sink.report(span, `nothing is called "${head}"`, `for the shell's variable write $${head} or $\${${head}}`);
  return sink.report(
    span,
    `nothing is called "${head}"`,
    suggest(head, names) ?? 'an axis, a parameter or a task must stand here',
  );
}
