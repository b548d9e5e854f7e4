// Values that `${}` yields: JSON, and inside `in:` artifacts of other tasks. Small functions to look into them.
import type { Json } from '../task.ts';
import { suggest } from '../text/nearest.ts';
import type { Reference } from './reference.ts';
import type { Diagnostics, Span } from './span.ts';

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

export type Value = null | boolean | number | string | Artifact | Value[] | { [name: string]: Value };

export const isObject = (value: Value): value is { [name: string]: Value } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Artifact);

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

/** The text that a scalar, or an object with a `name`, puts into a longer text; undefined for the rest. */
export function textOfValue(value: Value): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const name = isObject(value) && Object.hasOwn(value, 'name') ? value.name : undefined;
  return typeof name === 'string' || typeof name === 'number' || typeof name === 'boolean' ? String(name) : undefined;
}

export function describe(value: Value): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Artifact) return 'an output of a task';
  return typeof value === 'object'
    ? 'a mapping without a name'
    : `the ${typeof value === 'string' ? 'text' : typeof value} ${JSON.stringify(value)}`;
}

/** The first artifact anywhere inside a value. */
export function findArtifact(value: Value): Artifact | undefined {
  if (value instanceof Artifact) return value;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const item of Array.isArray(value) ? value : Object.values(value)) {
    const found = findArtifact(item);
    if (found) return found;
  }
  return undefined;
}

/** The value as JSON; an artifact in it is reported. */
export function toJson(value: Value, span: Span, sink: Diagnostics): Json | undefined {
  const artifact = findArtifact(value);
  if (!artifact) return value as Json;
  return refuseArtifact(artifact.reference, span, sink);
}

export function refuseArtifact(reference: Reference, span: Span, sink: Diagnostics): undefined {
  const name = [reference.head, ...reference.fields].join('.');
  return sink.report(
    span,
    `"${name}" is an output of a task: it may stand only in in:`,
    `name it under in:, and in run: write \${in.NAME}`,
  );
}
