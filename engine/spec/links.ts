// What the nodes of one task read of others: bindings made once for a task, equal lists of sources shared by its nodes.
import type { InputRole, Source } from '../graph/node.ts';
import { type Binding, bind } from './bind.ts';
import type { Producer } from './expand.ts';
import type { Point } from './matrix.ts';
import { normalizeInput, normalizeSubpath } from './paths.ts';
import type { Sink, Span } from './place.ts';
import { parseTaskName, type Reference } from './reference.ts';
import type { TaskScope } from './scope.ts';
import { locate } from './template.ts';
import { Artifact, describe, textOfValue, type Value } from './values.ts';
import type { Entry, ScalarTree } from './yaml.ts';

/** Where a task names another, for the message about a loop. */
export interface Mention {
  readonly span: Span;
  readonly text: string;
}

export interface Links {
  role(entry: Entry, value: Value | undefined, point: Point): InputRole | undefined;
  after(tree: ScalarTree): ((point: Point) => readonly string[]) | undefined;
  readonly mentions: ReadonlyMap<string, Mention>;
}

/** What one task reads, with its bindings made once and equal lists of sources shared between its nodes. */
export function createLinks(scope: TaskScope, producers: ReadonlyMap<string, Producer>, root: string): Links {
  const { sink } = scope;
  const bindings = new Map<Reference, Binding | undefined>();
  const sources = new Map<Reference, Map<string, readonly Source[] | undefined>>();
  const mentions = new Map<string, Mention>();

  function bindingOf(reference: Reference, span: Span, producer: Producer): Binding | undefined {
    if (bindings.has(reference)) return bindings.get(reference);
    if (!mentions.has(reference.head))
      mentions.set(reference.head, { span, text: [reference.head, ...reference.fields].join('.') });
    const binding = bind(reference, span, producer, scope);
    bindings.set(reference, binding);
    return binding;
  }

  function sourcesOf(artifact: Artifact, point: Point): { many: boolean; sources: readonly Source[] } | undefined {
    const producer = producers.get(artifact.reference.head);
    const binding = producer && bindingOf(artifact.reference, artifact.span, producer);
    const key = binding?.keyAt(point);
    if (!producer || !binding || key === undefined) return undefined;
    let known = sources.get(artifact.reference);
    if (!known) {
      known = new Map();
      sources.set(artifact.reference, known);
    }
    const id = `${key}\0${artifact.suffix}`;
    if (!known.has(id)) known.set(id, makeSources(artifact, producer, binding.find(key), sink));
    const found = known.get(id);
    return found && { many: binding.many, sources: found };
  }

  function collect(value: Value, entry: Entry, point: Point, into: Source[]): { many: boolean } | undefined {
    if (Array.isArray(value)) {
      for (const item of value) if (!collect(item, entry, point, into)) return undefined;
      return { many: true };
    }
    if (value instanceof Artifact) {
      const found = sourcesOf(value, point);
      for (const source of found?.sources ?? []) into.push(source);
      return found;
    }
    const path = textOfValue(value);
    if (typeof value === 'number' || typeof value === 'boolean' || path === undefined || path === '')
      return sink.report(
        entry.value,
        `input "${entry.key}" must be a path or an output of a task, and is ${describe(value)}`,
      );
    into.push({ path: normalizeInput(root, path), axes: NO_AXES });
    return { many: false };
  }

  return {
    mentions,
    role(entry, value, point) {
      if (value === undefined) return undefined;
      if (value instanceof Artifact) {
        const found = sourcesOf(value, point);
        return found && { name: entry.key, many: found.many, sources: found.sources };
      }
      const into: Source[] = [];
      const collected = collect(value, entry, point, into);
      return collected && { name: entry.key, many: collected.many, sources: into };
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
      const binding = producer && bindingOf(parsed.value, tree, producer);
      if (!producer || !binding) return undefined;
      return (point) => {
        const key = binding.keyAt(point);
        return key === undefined ? NONE : binding.find(key).map((i) => producer.names[i]!);
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
  sink: Sink,
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
