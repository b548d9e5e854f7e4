// From tasks to nodes. First every task's points, names and outputs, then what each node reads: a reference needs the
// producer's outputs, never its inputs, so the order of tasks in the file does not matter.

import type { Action, Node, Output } from '../model/node.ts';
import type { Json } from '../task.ts';
import type { TaskSpec } from './check.ts';
import { createBudget, createLinks, type Links, type Mention, type Producer } from './links.ts';
import type { Point } from './matrix.ts';
import { normalizeInput, normalizeOutput } from './paths.ts';
import type { Pool } from './pools.ts';
import { compileLimits, compileResources } from './resources.ts';
import { type Compiled, compile, type TaskScope } from './scope.ts';
import { compileCommand } from './shell.ts';
import type { Diagnostics } from './span.ts';
import { describe, textOfValue, toJson } from './values.ts';
import type { MapEntry } from './yaml.ts';

/** The first place where a consumer's task names a producer's. */
export type MentionOf = (consumer: string, producer: string) => Mention | undefined;

export interface Expansion {
  readonly nodes: readonly Node[];
  mentionOf: MentionOf;
}

export function expandProducer(scope: TaskScope): Producer {
  const { task, matrix, sink } = scope;
  const axisNames = matrix.axes.map((axis) => axis.name);
  const axes = matrix.points.map((point) => axesAt(axisNames, point));
  const names = matrix.points.map((point) => nodeName(task.name, axisNames, point));
  const paths = [...task.out.values()].map((entry) => ({ entry, compiled: compile(entry.value, scope, false) }));
  const outputs = matrix.points.map((point) =>
    paths.map(({ entry, compiled }) => outputAt(entry, compiled, point, sink)),
  );
  return { task, scope, matrix, names, axes, outputs };
}

const NO_AXES: Readonly<Record<string, string>> = {};

function axesAt(names: readonly string[], point: Point): Readonly<Record<string, string>> {
  if (names.length === 0) return NO_AXES;
  const axes: Record<string, string> = {};
  for (const [i, name] of names.entries()) axes[name] = point[i]!.label;
  return axes;
}

function nodeName(task: string, axes: readonly string[], point: Point): string {
  if (axes.length === 0) return task;
  return `${task}[${axes.map((axis, i) => `${axis}=${point[i]!.label}`).join(',')}]`;
}

function outputAt(entry: MapEntry, compiled: Compiled, point: Point, sink: Diagnostics): Output | undefined {
  const value = compiled.at(point);
  if (value === undefined) return undefined;
  const text = typeof value === 'string' || compiled.varies ? textOfValue(value, sink) : undefined;
  if (text === undefined)
    return sink.report(entry.value, `the path of output "${entry.key}" is ${describe(value)}`, 'it must be a text');
  const normal = normalizeOutput(text);
  if ('path' in normal) return { name: entry.key, path: normal.path };
  return sink.report(entry.value, `output "${entry.key}" ${normal.trouble} ("${text}")`);
}

export function expandNodes(
  producers: ReadonlyMap<string, Producer>,
  pools: ReadonlyMap<string, Pool>,
  root: string,
): Expansion {
  const nodes: Node[] = [];
  const linksOf = new Map<string, Links>();
  const budget = createBudget();
  for (const producer of producers.values()) {
    const links = createLinks(producer.scope, producers, root, budget);
    for (const node of expandTask(producer, links, pools)) nodes.push(node);
    linksOf.set(producer.task.name, links);
  }
  return { nodes, mentionOf: (consumer, producer) => linksOf.get(consumer)?.mentionOf(producer) };
}

function expandTask(producer: Producer, links: Links, pools: ReadonlyMap<string, Pool>): Node[] {
  const { task, scope, matrix } = producer;
  const roles = [...task.in.values()].map((entry) => ({ entry, compiled: compile(entry.value, scope, true) }));
  const params = compileRecord(task.params, scope);
  const resources = compileResources(scope, pools);
  const limits = compileLimits(scope);
  const tools = compileRecord(task.tools, scope);
  const env = readEnv(task, scope.sink);
  const command = task.action?.kind === 'run' ? compileCommand(task.action.text, scope) : undefined;
  const module: Action = {
    kind: 'module',
    path: task.action?.kind === 'use' ? normalizeInput('/', String(task.action.text.value)) : '',
  };
  const after = task.after.flatMap((tree) => links.after(tree) ?? []);

  return matrix.points.map((point, i): Node => {
    const inputs = roles.flatMap(({ entry, compiled }) => links.role(entry, compiled.at(point), point) ?? []);
    const outputs = producer.outputs[i]!.filter((output) => output !== undefined);
    const own = { point, inputs, outputs };
    const { retries, timeoutMs, durationSeconds } = limits(point);
    return {
      name: producer.names[i]!,
      task: task.name,
      axes: producer.axes[i]!,
      action: command ? { kind: 'shell', command: command(own) ?? '' } : module,
      params: params(point),
      inputs,
      outputs,
      after: after.length === 0 ? NONE : [...new Set(after.flatMap((find) => find(point)))],
      resources: resources(point),
      env,
      tools: tools(point) as Record<string, string>,
      retries,
      timeoutMs,
      durationSeconds,
    };
  });
}

const NONE: readonly string[] = [];
const NO_RECORD: Readonly<Record<string, Json>> = {};
const noRecord = () => NO_RECORD;

/** A mapping of JSON values; the very same object for all points when nothing in it varies. */
function compileRecord(
  entries: ReadonlyMap<string, MapEntry>,
  scope: TaskScope,
): (point: Point) => Readonly<Record<string, Json>> {
  if (entries.size === 0) return noRecord;
  const fields = [...entries.values()].map((entry) => ({ entry, compiled: compile(entry.value, scope, false) }));
  const at = (point: Point) => {
    const record: Record<string, Json> = {};
    for (const { entry, compiled } of fields) {
      const value = compiled.at(point);
      const json = value === undefined ? undefined : toJson(value, entry.value, scope.sink);
      if (json !== undefined) record[entry.key] = json;
    }
    return record;
  };
  if (fields.some((field) => field.compiled.varies)) return at;
  const once = at(scope.matrix.points[0] ?? []);
  return () => once;
}

function readEnv(task: TaskSpec, sink: Diagnostics): readonly string[] {
  if (task.env.length === 0) return NONE;
  for (const tree of task.env)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(String(tree.value)))
      sink.report(
        tree,
        `"${tree.value}" is not the name of an environment variable`,
        'env: lists names; their values are read when the node runs',
      );
  return task.env.map((tree) => String(tree.value));
}
