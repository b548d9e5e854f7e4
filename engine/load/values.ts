// Values that `${}` yields: JSON, and inside `in:` artifacts of other tasks. Small functions to look into them.

import type { Json } from '../task.ts';
import { suggest } from '../text/nearest.ts';
import type { Reference } from './reference.ts';
import type { Diagnostics, Span } from './span.ts';
import { quoting, type ScalarTree } from './yaml.ts';

/** An output of another task that a value stands for, before it is bound to nodes. */
export class Artifact {
  readonly reference: Reference;
  readonly span: Span;
  /** What follows the output's path: empty, or a path that begins with a slash. */
  readonly suffix: string;
  constructor(reference: Reference, span: Span, suffix: string) {
    this.reference = reference;
    this.span = span;
    this.suffix = suffix;
  }
}

/** A number or truth value of which a text would not show how it is written: `3.10`, `007`, `True`. */
export class Respelt {
  readonly value: number | boolean;
  readonly tree: ScalarTree;
  constructor(value: number | boolean, tree: ScalarTree) {
    this.value = value;
    this.tree = tree;
  }
}

export type Value = null | boolean | number | string | Artifact | Respelt | Value[] | { [name: string]: Value };

export const isObject = (value: Value): value is { [name: string]: Value } =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Artifact) &&
  !(value instanceof Respelt);

/** The value of a scalar without `${}`. */
export function literal(tree: ScalarTree): Value {
  const { value, written } = tree;
  return written === undefined || typeof value === 'string' || value === null ? value : new Respelt(value, tree);
}

/** A value that is no text as it is, whatever its spelling. */
export const bare = (value: Value): Exclude<Value, Respelt> => (value instanceof Respelt ? value.value : value);

/** Follows `.field.field` into a value; a failure is reported at the reference. An optional last field is [] where missing. */
export function walk(
  value: Value,
  head: string,
  fields: readonly string[],
  span: Span,
  sink: Diagnostics,
  optional = false,
): Value | undefined {
  let at = value;
  let path = head;
  for (const [depth, field] of fields.entries()) {
    const next = step(at, field);
    if (next === undefined) {
      if (optional && depth === fields.length - 1 && isObject(at)) return [];
      const keys = isObject(at) ? Object.keys(at) : [];
      const what =
        isObject(at) || Array.isArray(at)
          ? `"${path}" has no "${field}"`
          : `"${path}" is ${describe(at)}, so it has no "${field}"`;
      return sink.report(span, what, Array.isArray(at) ? `it is a list of ${at.length}` : suggest(field, keys));
    }
    at = next;
    path += `.${field}`;
  }
  return at;
}

function step(value: Value, field: string): Value | undefined {
  if (Array.isArray(value)) return /^\d+$/.test(field) ? value[Number(field)] : undefined;
  return isObject(value) && Object.hasOwn(value, field) ? value[field] : undefined;
}

/**
 * The text that a scalar, or an object with a `name`, puts into a longer text; undefined for the rest. Warns where the file writes
 * the value otherwise: `3.10` is no `3.1` where a version is meant.
 */
export function textOfValue(value: Value, sink: Diagnostics): string | undefined {
  if (typeof value === 'string') return value;
  const one = isObject(value) && Object.hasOwn(value, 'name') ? value.name! : value;
  if (one instanceof Respelt) {
    const { written = '', origin } = one.tree;
    sink.warn(one.tree, `${written} becomes ${one.value} in a text`, `if a text is meant, ${quoting(written, origin)}`);
  }
  const scalar = bare(one);
  return typeof scalar === 'object' ? undefined : String(scalar);
}

const LONGEST_SHOWN = 80;

export function describe(value: Value): string {
  const it = bare(value);
  if (it === null) return 'empty';
  if (Array.isArray(it)) return 'a list';
  if (it instanceof Artifact) return 'an output of a task';
  if (typeof it === 'object') return 'a mapping without a name';
  if (typeof it !== 'string') return `the ${typeof it} ${it}`;
  return `the text ${JSON.stringify(it.length > LONGEST_SHOWN ? `${it.slice(0, LONGEST_SHOWN)}…` : it)}`;
}

/** Numbers, texts' letters and the rest, counted where they would be written out: references make much of a small file. */
const LARGEST = 10_000_000;
export const DEEPEST = 200;

/** What has to be known of a value before anything walks through it. */
interface Survey {
  size: number;
  depth: number;
  artifact: Artifact | undefined;
  respelt: boolean;
}

/** Undefined after a reported error. */
function survey(value: Value, span: Span, sink: Diagnostics): Survey | undefined {
  const found: Survey = { size: 0, depth: 0, artifact: undefined, respelt: false };
  look(value, 0, found);
  const hint = 'a value that names another one twice doubles it: do so less often';
  if (found.size > LARGEST)
    return sink.report(span, 'this value is too large once its references are put in place', hint);
  if (found.depth > DEEPEST) return sink.report(span, `this value is nested more than ${DEEPEST} deep`);
  return found;
}

function look(value: Value, depth: number, found: Survey): void {
  found.size += typeof value === 'string' ? value.length + 1 : 1;
  if (typeof value !== 'object' || value === null) return;
  if (value instanceof Artifact) found.artifact ??= value;
  else if (value instanceof Respelt) found.respelt = true;
  else {
    if (depth > found.depth) found.depth = depth;
    for (const item of Array.isArray(value) ? value : Object.values(value)) {
      if (found.size > LARGEST || found.depth > DEEPEST) return;
      look(item, depth + 1, found);
    }
  }
}

/** False after a reported error. */
export const isWritable = (value: Value, span: Span, sink: Diagnostics): boolean =>
  survey(value, span, sink) !== undefined;

/** The same value, where it may stand outside of `in:`; an artifact in it is reported, and what is too large. */
export function withoutArtifacts(value: Value, span: Span, sink: Diagnostics): Value | undefined {
  const found = survey(value, span, sink);
  return found?.artifact ? refuseArtifact(found.artifact.reference, span, sink) : found && value;
}

/** The value as JSON; an artifact in it is reported, and what is too large. */
export function toJson(value: Value, span: Span, sink: Diagnostics): Json | undefined {
  const found = survey(value, span, sink);
  if (found?.artifact) return refuseArtifact(found.artifact.reference, span, sink);
  return found && ((found.respelt ? unspelt(value) : value) as Json);
}

function unspelt(value: Value): Value {
  if (Array.isArray(value)) return value.map(unspelt);
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, unspelt(item)]))
    : bare(value);
}

export function refuseArtifact(reference: Reference, span: Span, sink: Diagnostics): undefined {
  const name = [reference.head, ...reference.fields].join('.');
  return sink.report(
    span,
    `"${name}" is an output of a task: it may stand only in in:`,
    `name it under in:, and in run: write \${in.NAME}`,
  );
}
