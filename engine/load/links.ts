// What the nodes of one task read of others: bindings made once for a task, equal lists of sources shared by its nodes.
import type { InputRole, Output, Source } from '../model/node.ts';
import { type Binding, bind } from './bind.ts';
import type { TaskSpec } from './check.ts';
import type { Point } from './matrix.ts';
import { normalizeInput, normalizeSubpath } from './paths.ts';
import { parseTaskName, type Reference } from './reference.ts';
import type { TaskScope } from './scope.ts';
import type { Diagnostics, Span } from './span.ts';
import { locate } from './template.ts';
import { Artifact, describe, isObject, isWritable, textOfValue, type Value } from './values.ts';
import type { MapEntry, ScalarTree } from './yaml.ts';

/** A task's points with what other tasks may know of them. */
export interface Producer {
  readonly task: TaskSpec;
  readonly scope: TaskScope;
  readonly matrix: TaskScope['matrix'];
  readonly names: readonly string[];
  readonly axes: readonly Readonly<Record<string, string>>[];
  /** A point's outputs in the order of `out:`; undefined where a path could not be made, which is reported. */
  readonly outputs: readonly (readonly (Output | undefined)[])[];
}

/** Where a task names another, for the message about a loop. */
export interface Mention {
  readonly span: Span;
  readonly text: string;
}

export interface Links {
  role(entry: MapEntry, value: Value | undefined, point: Point): InputRole | undefined;
  after(tree: ScalarTree): ((point: Point) => readonly string[]) | undefined;
  /** Where this task names that producer first. */
  mentionOf(producer: string): Mention | undefined;
}

interface Link {
  readonly span: Span;
  readonly binding: Binding | undefined;
  /** Bound labels and suffix → sources. */
  readonly sources: Map<string, readonly Source[]> | undefined;
}

/** How many files, folders and nodes all nodes may name together: more is a slip, such as a fan-in at each of 10,000 nodes. */
const MOST_NAMED = 20_000_000;

export interface Budget {
  /** False after a reported error. */
  allows(count: number, span: Span, sink: Diagnostics): boolean;
}

export function createBudget(): Budget {
  let named = 0;
  return {
    allows(count, span, sink) {
      named += count;
      if (named > MOST_NAMED) sink.report(span, `the nodes need each other too often: more than ${MOST_NAMED} times`);
      return named <= MOST_NAMED;
    },
  };
}

/** What one task reads, with its bindings made once and equal lists of sources shared between its nodes. */
export function createLinks(
  scope: TaskScope,
  producers: ReadonlyMap<string, Producer>,
  root: string,
  budget: Budget,
): Links {
  const { sink } = scope;
  const links = new Map<Reference, Link>();
  // One node asks once; with more, equal keys give the very same list.
  const shared = scope.matrix.points.length > 1;

  function linkOf(reference: Reference, span: Span, producer: Producer): Link {
    const known = links.get(reference);
    if (known) return known;
    const link = { span, binding: bind(reference, span, producer, scope), sources: shared ? new Map() : undefined };
    links.set(reference, link);
    return link;
  }

  function sourcesOf(artifact: Artifact, point: Point): { many: boolean; sources: readonly Source[] } | undefined {
    const producer = producers.get(artifact.reference.head);
    const link = producer && linkOf(artifact.reference, artifact.span, producer);
    const key = link?.binding?.keyAt(point);
    if (!producer || !link?.binding || key === undefined) return undefined;
    const id = `${key}\0${artifact.suffix}`;
    let sources = link.sources?.get(id);
    if (!sources) {
      sources = makeSources(artifact, producer, link.binding.find(key), sink);
      if (sources) link.sources?.set(id, sources);
    }
    return sources && { many: link.binding.many, sources };
  }

  function collect(value: Value, entry: MapEntry, point: Point, into: Source[]): { many: boolean } | undefined {
    if (Array.isArray(value)) {
      for (const item of value) if (!collect(item, entry, point, into)) return undefined;
      return { many: true };
    }
    if (value instanceof Artifact) {
      const found = sourcesOf(value, point);
      for (const source of found?.sources ?? []) into.push(source);
      return found;
    }
    const isText = typeof value === 'string' || isObject(value);
    const path = isText ? textOfValue(value, sink) : undefined;
    if (path === undefined || path === '')
      return sink.report(
        entry.value,
        `input "${entry.key}" must be a path or an output of a task, and is ${describe(value)}`,
      );
    into.push({ path: normalizeInput(root, path), axes: NO_AXES });
    return { many: false };
  }

  function read(
    value: Value,
    entry: MapEntry,
    point: Point,
  ): { many: boolean; sources: readonly Source[] } | undefined {
    if (value instanceof Artifact) return sourcesOf(value, point);
    if (!isWritable(value, entry.value, sink)) return undefined;
    const into: Source[] = [];
    const collected = collect(value, entry, point, into);
    return collected && { many: collected.many, sources: into };
  }

  return {
    mentionOf(name) {
      for (const [{ head, fields }, { span }] of links)
        if (head === name) return { span, text: [head, ...fields].join('.') };
      return undefined;
    },
    role(entry, value, point) {
      const found = value === undefined ? undefined : read(value, entry, point);
      if (!found || !budget.allows(found.sources.length, entry.value, sink)) return undefined;
      return { name: entry.key, many: found.many, sources: found.sources };
    },
    after(tree) {
      const text = String(tree.value);
      const parsed = parseTaskName(text);
      if (!parsed.ok) {
        const { start, end, message } = parsed.error;
        return sink.report(locate(tree, text, start, end), message, 'after: names tasks: labels, or train[fold=0]');
      }
      if (!scope.names.checkTask(parsed.value, tree)) return undefined;
      const producer = producers.get(parsed.value.head);
      const binding = producer && linkOf(parsed.value, tree, producer).binding;
      if (!producer || !binding) return undefined;
      return (point) => {
        const key = binding.keyAt(point);
        const found = key === undefined ? NONE : binding.find(key).map((i) => producer.names[i]!);
        return budget.allows(found.length, tree, sink) ? found : NONE;
      };
    },
  };
}

const NONE: readonly string[] = [];
const NO_AXES: Readonly<Record<string, string>> = {};

function makeSources(
  artifact: Artifact,
  producer: Producer,
  indices: readonly number[],
  sink: Diagnostics,
): readonly Source[] | undefined {
  const output = artifact.reference.fields[0]!;
  const position = [...producer.task.out.keys()].indexOf(output);
  const subpath = normalizeSubpath(artifact.suffix);
  if (subpath === undefined)
    return sink.report(artifact.span, `the path inside an output must stay inside it ("${artifact.suffix}")`);
  const sources: Source[] = [];
  for (const i of indices) {
    const made = producer.outputs[i]![position];
    if (!made) return undefined;
    const from = { node: producer.names[i]!, output };
    sources.push(
      subpath === ''
        ? { path: made.path, producer: from, axes: producer.axes[i]! }
        : { path: `${made.path}/${subpath}`, producer: { ...from, subpath }, axes: producer.axes[i]! },
    );
  }
  return sources;
}
