// The command of a `run:` task: `${in.NAME}`, `${out.NAME}` and `${params.NAME}` stand for the task's own, paths quoted
// where the shell needs it; axes and parameters may stand there too. Everything else is the shell's.

import type { InputRole, Output } from '../model/node.ts';
import { suggest } from '../text/nearest.ts';
import type { Point } from './matrix.ts';
import { refusePicks } from './params.ts';
import type { Reference } from './reference.ts';
import { type Compiled, compile, compileReference, type TaskScope } from './scope.ts';
import type { Span } from './span.ts';
import { LONGEST_TEXT, nameOf, readTemplate, TOO_LONG } from './template.ts';
import { describe, textOfValue, type Value, walk } from './values.ts';
import type { ScalarTree } from './yaml.ts';

export interface Own {
  readonly point: Point;
  readonly inputs: readonly InputRole[];
  readonly outputs: readonly Output[];
}
type Piece = (own: Own) => string | undefined;

/** Gives the command of a node; undefined after a reported error. */
export function compileCommand(tree: ScalarTree, scope: TaskScope): Piece {
  const template = readTemplate(tree, scope.sink);
  if (!template) return () => undefined;
  const pieces = template.parts.map((part): string | Piece =>
    typeof part === 'string' ? part : compilePiece(part, template.spanOf(part), scope),
  );
  return (own) => {
    // Every piece is evaluated, so that all that is wrong with a command is told at once.
    const texts = pieces.map((piece) => (typeof piece === 'string' ? piece : piece(own)));
    if (texts.includes(undefined)) return undefined;
    const length = texts.reduce((sum, text) => sum + text!.length, 0);
    return length > LONGEST_TEXT ? scope.sink.report(tree, TOO_LONG) : texts.join('');
  };
}

function compilePiece(reference: Reference, span: Span, scope: TaskScope): Piece {
  const { task } = scope;
  const [name = ''] = reference.fields;
  const toText = (value: Value | undefined) =>
    value === undefined ? undefined : commandText(value, reference, span, scope);
  const ofParam =
    (param: Compiled): Piece =>
    ({ point }) => {
      const value = param.at(point);
      if (value === undefined) return undefined;
      return toText(walk(value, `params.${name}`, reference.fields.slice(1), span, scope.sink));
    };
  switch (reference.head) {
    case 'in':
      if (!isOwn(reference, span, task.in, 'input', 1, scope)) return () => undefined;
      return ({ inputs }) =>
        inputs
          .find((role) => role.name === name)
          ?.sources.map((source) => quote(source.path))
          .join(' ');
    case 'out':
      if (!isOwn(reference, span, task.out, 'output', 1, scope)) return () => undefined;
      return ({ outputs }) => quote(outputs.find((output) => output.name === name)?.path ?? '');
    case 'params':
      if (!isOwn(reference, span, task.params, 'parameter', Number.POSITIVE_INFINITY, scope)) return () => undefined;
      return ofParam(compile(task.params.get(name)!.value, scope, false));
    default: {
      const compiled = compileReference(reference, span, scope, false);
      return ({ point }) => toText(compiled.at(point));
    }
  }
}

function isOwn(
  reference: Reference,
  span: Span,
  own: ReadonlyMap<string, unknown>,
  what: string,
  depth: number,
  scope: TaskScope,
): boolean {
  if (refusePicks(reference, span, scope.sink)) return false;
  const [name, ...rest] = reference.fields;
  const { head } = reference;
  if (name === undefined) {
    scope.sink.report(
      span,
      `\${${head}} needs a name`,
      own.size > 0 ? `e.g. \${${head}.${[...own.keys()][0]}}` : `the task has no ${head}:`,
    );
    return false;
  }
  if (!own.has(name)) {
    scope.sink.report(
      span,
      `task "${scope.task.name}" has no ${what} "${name}"`,
      suggest(name, own.keys()) ?? `add it under ${head}:`,
    );
    return false;
  }
  if (rest.length < depth) return true;
  scope.sink.report(span, `${nameOf(reference)} is a path and has no fields`);
  return false;
}

/** A list is joined with spaces. */
function commandText(value: Value, reference: Reference, span: Span, scope: TaskScope): string | undefined {
  const texts = (Array.isArray(value) ? value : [value]).map((item) => textOfValue(item, scope.sink));
  const length = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
  if (length > LONGEST_TEXT) return scope.sink.report(span, TOO_LONG);
  if (!texts.includes(undefined)) return texts.join(' ');
  return scope.sink.report(
    span,
    `${nameOf(reference)} is ${describe(value)}: a command needs a text, a number or a list of them`,
  );
}

/** A path as the shell reads it back. */
function quote(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
