// A task's matrix: its axes with their labels, and the points that remain after exclude and include.

import { suggest } from '../text/nearest.ts';
import type { TaskSpec } from './check.ts';
import { NAME, NAME_RULE } from './check.ts';
import type { Params } from './params.ts';
import { type Diagnostics, describePlace, type Span } from './span.ts';
import { isLiteral, readTemplate } from './template.ts';
import { bare, describe, isObject, textOfValue, type Value, withoutArtifacts } from './values.ts';
import type { MapEntry, MapTree, Tree } from './yaml.ts';

export interface AxisValue {
  readonly label: string;
  readonly value: Value;
}
export interface Axis {
  readonly name: string;
  readonly span: Span;
  readonly values: ReadonlyMap<string, AxisValue>;
}
/** One value for each axis, in the order of the axes. */
export type Point = readonly AxisValue[];
export interface Matrix {
  readonly axes: readonly Axis[];
  readonly points: readonly Point[];
}

const NO_MATRIX: Matrix = { axes: [], points: [[]] };
/** Of all tasks. More would not fit the memory, and is a slip. */
const MOST_POINTS = 1_000_000;
const BAD_LABEL = /[[\],=*?\p{Cc}]|^\s|\s$/u;

/**
 * Undefined after a reported error. A task without a matrix has one point; an empty axis leaves none. `others`: the points of the
 * tasks before.
 */
export function expandMatrix(task: TaskSpec, params: Params, others: number, sink: Diagnostics): Matrix | undefined {
  if (!task.matrix) return NO_MATRIX;
  const entries = [...task.matrix.entries.values()].filter(({ key }) => key !== 'include' && key !== 'exclude');
  if (entries.some((entry) => refersToAxis(entry.value, task.matrix!, params, sink))) return undefined;
  const axes = entries.map((entry) => expandAxis(entry, params, sink));
  if (axes.includes(undefined)) return undefined;
  const known = axes as Axis[];
  if (known.length === 0) return sink.report(task.matrix, 'the matrix has no axis', 'e.g. { fold: [0, 1] }');
  const points = product(
    known.map((axis) => [...axis.values.values()]),
    others,
    task.matrix,
    sink,
  );
  if (!points) return undefined;
  const excluded = exclude(points, known, task.matrix, params, sink);
  return include(excluded, known, task.matrix, params, others, sink);
}

function tooMany(count: number, span: Span, sink: Diagnostics): undefined {
  return sink.report(span, `this makes ${grouped(count)} nodes: a pipeline has ${grouped(MOST_POINTS)} at most`);
}

const grouped = (count: number) => count.toLocaleString('en-US');

/** A later axis cannot depend on an earlier one; without this check the message would be about an unknown name. */
function refersToAxis(tree: Tree, matrix: MapTree, params: Params, sink: Diagnostics): boolean {
  if (tree.kind === 'list') return tree.items.some((item) => refersToAxis(item, matrix, params, sink));
  if (tree.kind === 'map')
    return [...tree.entries.values()].some((entry) => refersToAxis(entry.value, matrix, params, sink));
  if (isLiteral(tree)) return false;
  const template = readTemplate(tree, sink);
  for (const part of template?.parts ?? []) {
    if (typeof part === 'string' || params.has(part.head) || !matrix.entries.has(part.head)) continue;
    const hint = 'list the points you want under include:, or take some away with exclude:';
    sink.report(template!.spanOf(part), `an axis cannot depend on another axis ("${part.head}")`, hint);
    return true;
  }
  return template === undefined;
}

function expandAxis(entry: MapEntry, params: Params, sink: Diagnostics): Axis | undefined {
  const { key: name, keySpan: span, value: tree } = entry;
  if (!NAME.test(name)) return sink.report(span, `"${name}" cannot name an axis`, NAME_RULE);
  if (name === 'in' || name === 'out' || name === 'params')
    return sink.report(span, `"${name}" cannot name an axis`, `\${${name}.…} has a meaning of its own in run:`);
  if (tree.kind === 'map') return rangeAxis(name, span, tree, params, sink);
  const value = params.evaluate(tree);
  if (value === undefined) return undefined;
  if (withoutArtifacts(value, tree, sink) === undefined) return undefined;
  if (!Array.isArray(value))
    return sink.report(
      tree,
      `axis "${name}" must be a list, and is ${describe(value)}`,
      'or { range: N } for 0 to N-1',
    );
  const spans = tree.kind === 'list' ? tree.items : undefined;
  const values = new Map<string, AxisValue>();
  const places = new Map<string, Span>();
  for (const [i, item] of value.entries()) {
    const place = spans?.[i] ?? tree;
    const label = labelOf(item, name, place, sink);
    if (label === undefined) return undefined;
    const before = places.get(label);
    if (before) {
      const at = before === place ? undefined : `it is already at ${describePlace(before)}`;
      return sink.report(
        place,
        `axis "${name}" has "${label}" twice`,
        at ?? 'every value of an axis needs a label of its own',
      );
    }
    places.set(label, place);
    values.set(label, { label, value: item });
  }
  return { name, span, values };
}

function rangeAxis(name: string, span: Span, tree: MapTree, params: Params, sink: Diagnostics): Axis | undefined {
  const range = tree.entries.get('range');
  for (const entry of tree.entries.values())
    if (entry !== range)
      return sink.report(entry.keySpan, `unknown key "${entry.key}" in axis "${name}"`, suggest(entry.key, ['range']));
  if (!range) return sink.report(tree, `axis "${name}" must be a list, or { range: N } for 0 to N-1`);
  const found = params.evaluate(range.value);
  if (found === undefined) return undefined;
  const count = bare(found);
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0)
    return sink.report(range.value, `range must be a whole number from 0, and is ${describe(count)}`);
  if (count > MOST_POINTS) return tooMany(count, range.value, sink);
  const values = new Map<string, AxisValue>();
  for (let i = 0; i < count; i++) values.set(String(i), { label: String(i), value: i });
  return { name, span, values };
}

function labelOf(value: Value, axis: string, span: Span, sink: Diagnostics): string | undefined {
  const label = textOfValue(value, sink);
  if (label === undefined) {
    const hint = isObject(value) ? 'add name: to it' : 'a value of an axis is a single value, or a mapping with a name';
    return sink.report(span, `a value of axis "${axis}" has no label: it is ${describe(value)}`, hint);
  }
  if (label !== '' && !BAD_LABEL.test(label)) return label;
  return sink.report(
    span,
    `"${label}" cannot be a label of axis "${axis}"`,
    'a label is not empty and has none of [ ] , = * ?',
  );
}

/** `before`: the points that there are beside these. Undefined after a reported error. */
function product(
  lists: readonly (readonly AxisValue[])[],
  before: number,
  span: Span,
  sink: Diagnostics,
): AxisValue[][] | undefined {
  const count = lists.reduce((all, list) => all * list.length, 1);
  if (before + count > MOST_POINTS) return tooMany(before + count, span, sink);
  let points: AxisValue[][] = [[]];
  for (const list of lists) {
    const longer: AxisValue[][] = [];
    for (const point of points) for (const value of list) longer.push([...point, value]);
    points = longer;
  }
  return points;
}

type Partial = { readonly span: Span; readonly values: ReadonlyMap<string, AxisValue> };

function exclude(points: Point[], axes: readonly Axis[], matrix: MapTree, params: Params, sink: Diagnostics): Point[] {
  const kept = new Set(points);
  for (const { span, values } of partials('exclude', axes, matrix, params, sink)) {
    const matches = points.filter((point) =>
      axes.every((axis, i) => !values.has(axis.name) || values.get(axis.name)!.label === point[i]!.label),
    );
    if (matches.length === 0) sink.report(span, 'this exclude matches no point of the matrix', labelHint(axes, values));
    for (const point of matches) kept.delete(point);
  }
  return points.filter((point) => kept.has(point));
}

/** Adds points; an axis that the entry leaves out takes each of its values, and a label new to an axis is appended. */
function include(
  points: Point[],
  axes: readonly Axis[],
  matrix: MapTree,
  params: Params,
  others: number,
  sink: Diagnostics,
): Matrix | undefined {
  const all = [...points];
  const grown = axes.map((axis) => ({ ...axis, values: new Map(axis.values) }));
  const keyOf = (point: Point) => point.map((value) => value.label).join(',');
  const present = new Set(matrix.entries.has('include') ? points.map(keyOf) : []);
  for (const { span, values } of partials('include', axes, matrix, params, sink)) {
    const lists = grown.map((axis) => {
      const given = values.get(axis.name);
      if (!given) return [...axis.values.values()];
      if (!axis.values.has(given.label)) axis.values.set(given.label, given);
      return [isObject(given.value) ? given : axis.values.get(given.label)!];
    });
    const added = product(lists, others + all.length, span, sink)?.filter((point) => !present.has(keyOf(point)));
    if (!added) return undefined;
    if (added.length === 0) sink.report(span, 'this include adds nothing: the matrix has these points already');
    for (const point of added) {
      present.add(keyOf(point));
      all.push(point);
    }
  }
  return { axes: grown, points: all };
}

function partials(
  key: 'include' | 'exclude',
  axes: readonly Axis[],
  matrix: MapTree,
  params: Params,
  sink: Diagnostics,
): Partial[] {
  const tree = matrix.entries.get(key)?.value;
  if (tree === undefined || (tree.kind === 'scalar' && tree.value === null)) return [];
  if (tree.kind !== 'list') {
    sink.report(tree, `${key}: must be a list of points`, `e.g. ${key}: [{ ${axes[0]!.name}: … }]`);
    return [];
  }
  return tree.items.flatMap((item) => partial(item, key, axes, params, sink) ?? []);
}

function partial(
  tree: Tree,
  key: string,
  axes: readonly Axis[],
  params: Params,
  sink: Diagnostics,
): Partial | undefined {
  if (tree.kind !== 'map')
    return sink.report(tree, `an entry of ${key}: must map axes to labels`, `e.g. { ${axes[0]!.name}: … }`);
  const values = new Map<string, AxisValue>();
  for (const entry of tree.entries.values()) {
    const axis = axes.find((candidate) => candidate.name === entry.key);
    if (!axis)
      return sink.report(
        entry.keySpan,
        `the matrix has no axis "${entry.key}"`,
        suggest(
          entry.key,
          axes.map((candidate) => candidate.name),
        ),
      );
    const value = params.evaluate(entry.value);
    if (value === undefined) return undefined;
    if (withoutArtifacts(value, entry.value, sink) === undefined) return undefined;
    const label = labelOf(value, axis.name, entry.value, sink);
    if (label === undefined) return undefined;
    values.set(axis.name, { label, value });
  }
  return { span: tree, values };
}

function labelHint(axes: readonly Axis[], values: ReadonlyMap<string, AxisValue>): string | undefined {
  for (const axis of axes) {
    const wanted = values.get(axis.name)?.label;
    if (wanted !== undefined && !axis.values.has(wanted))
      return `axis "${axis.name}" has ${[...axis.values.keys()].slice(0, 12).join(', ')}`;
  }
  return undefined;
}
