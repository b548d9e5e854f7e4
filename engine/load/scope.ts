// What names mean inside one task: its axes, the parameters, other tasks' outputs. Compiles a tree once, so that a
// matrix of ten thousand points evaluates only what differs between them.
import type { TaskSpec } from './check.ts';
import type { Matrix, Point } from './matrix.ts';
import { ambiguous, type ParamScope, type Params, refusePicks, unknownHead } from './params.ts';
import type { Reference } from './reference.ts';
import type { Diagnostics, Span } from './span.ts';
import { isLiteral, join, readTemplate, type Template } from './template.ts';
import { Artifact, bare, literal, refuseArtifact, type Value, walk } from './values.ts';
import type { Tree } from './yaml.ts';

export interface TaskScope {
  readonly task: TaskSpec;
  readonly matrix: Matrix;
  readonly params: Params;
  readonly names: ParamScope;
  readonly sink: Diagnostics;
}

/** A value at each point of a matrix; `at` gives undefined after a reported error. */
export interface Compiled {
  readonly varies: boolean;
  at(point: Point): Value | undefined;
}

const constant = (value: Value | undefined): Compiled => ({ varies: false, at: () => value });

/** `artifacts`: whether other tasks' outputs may be named here, which only `in:` allows. */
export function compile(tree: Tree, scope: TaskScope, artifacts: boolean): Compiled {
  if (tree.kind === 'scalar') {
    if (isLiteral(tree)) return constant(literal(tree));
    const template = readTemplate(tree, scope.sink);
    return template ? compileTemplate(template, scope, artifacts) : constant(undefined);
  }
  if (tree.kind === 'list') {
    const items = tree.items.map((item) => compile(item, scope, artifacts));
    return assemble(items, (values) => values, scope);
  }
  const keys = [...tree.entries.keys()];
  const values = [...tree.entries.values()].map((entry) => compile(entry.value, scope, artifacts));
  return assemble(values, (complete) => Object.fromEntries(keys.map((key, i) => [key, complete[i]!])), scope);
}

function assemble(items: readonly Compiled[], build: (values: Value[]) => Value, scope: TaskScope): Compiled {
  const at = (point: Point): Value | undefined => {
    const values = items.map((item) => item.at(point));
    return values.includes(undefined) ? undefined : build(values as Value[]);
  };
  return items.some((item) => item.varies) ? { varies: true, at } : evaluateOnce(at, scope);
}

/** What does not vary is evaluated here and now, unless the matrix is empty and nothing would ever see it. */
function evaluateOnce(at: (point: Point) => Value | undefined, scope: TaskScope): Compiled {
  return constant(at(scope.matrix.points[0] ?? []));
}

function compileTemplate(template: Template, scope: TaskScope, artifacts: boolean): Compiled {
  const only = template.parts[0];
  if (template.parts.length === 1 && only !== undefined && typeof only !== 'string')
    return compileReference(only, template.spanOf(only), scope, artifacts);
  const compiled = new Map<Reference, Compiled>();
  for (const part of template.parts)
    if (typeof part !== 'string') compiled.set(part, compileReference(part, template.spanOf(part), scope, artifacts));
  const at = (point: Point) => join(template, (reference) => compiled.get(reference)!.at(point), scope.sink);
  return [...compiled.values()].some((value) => value.varies) ? { varies: true, at } : evaluateOnce(at, scope);
}

export function compileReference(reference: Reference, span: Span, scope: TaskScope, artifacts: boolean): Compiled {
  const { head, fields, optional } = reference;
  const { sink } = scope;
  switch (meaningOf(head, span, scope)) {
    case 'axis': {
      if (refusePicks(reference, span, sink)) return constant(undefined);
      const index = scope.matrix.axes.findIndex((axis) => axis.name === head);
      if (fields.length === 0) return { varies: true, at: (point) => point[index]!.value };
      return { varies: true, at: (point) => walk(point[index]!.value, head, fields, span, sink, optional) };
    }
    case 'param': {
      const value = scope.params.get(reference, span);
      if (!artifacts && value instanceof Artifact) return constant(refuseArtifact(value.reference, span, sink));
      return constant(value);
    }
    case 'task':
      if (!artifacts) return constant(refuseArtifact(reference, span, sink));
      return constant(scope.names.checkOutput(reference, span) ? new Artifact(reference, span, '') : undefined);
    case undefined:
      return constant(undefined);
  }
}

export function meaningOf(head: string, span: Span, scope: TaskScope): 'axis' | 'param' | 'task' | undefined {
  const isAxis = scope.matrix.axes.some((axis) => axis.name === head);
  const isParam = scope.params.has(head);
  const isTask = scope.names.isTask(head);
  if (Number(isAxis) + Number(isParam) + Number(isTask) > 1) {
    const meanings = [isAxis && 'an axis of this task', isParam && 'a parameter', isTask && 'a task'];
    return ambiguous(
      head,
      meanings.filter((meaning) => meaning !== false),
      span,
      scope.sink,
    );
  }
  if (isAxis) return 'axis';
  if (isParam) return 'param';
  if (isTask) return 'task';
  const names = [...scope.matrix.axes.map((axis) => axis.name), ...scope.params.names(), ...scope.names.taskNames()];
  return unknownHead(head, names, span, scope.sink, scope.names.profileWith(head));
}

/** A value with a check of its own: `absent` without a tree, and after a reported error. Evaluated once unless it varies. */
export function compileChecked<T>(
  tree: Tree | undefined,
  absent: T,
  scope: TaskScope,
  check: (value: Value, span: Span) => T | undefined,
): (point: Point) => T {
  if (!tree || (tree.kind === 'scalar' && tree.value === null)) return () => absent;
  const compiled = compile(tree, scope, false);
  const read = (value: Value | undefined): T => (value === undefined ? absent : (check(bare(value), tree) ?? absent));
  if (compiled.varies) return (point) => read(compiled.at(point));
  const once = read(compiled.at(scope.matrix.points[0] ?? []));
  return () => once;
}
