// From a text of the tree to its parts, once, with the place of every reference in the file.
import { type Part, parseTemplate, type Reference } from './reference.ts';
import type { Diagnostics, Span } from './span.ts';
import { Artifact, describe, textOfValue, type Value } from './values.ts';
import type { ScalarTree } from './yaml.ts';

export interface Template {
  readonly parts: readonly Part[];
  spanOf(reference: Reference): Span;
}

/** Undefined when the text has no `$`-syntax at all: then it is its own value. */
export function isLiteral(tree: ScalarTree): boolean {
  return typeof tree.value !== 'string' || !tree.value.includes('${');
}

export function readTemplate(tree: ScalarTree, sink: Diagnostics): Template | undefined {
  const text = String(tree.value);
  const parsed = parseTemplate(text);
  if (parsed.ok)
    return { parts: parsed.value, spanOf: (reference) => locate(tree, text, reference.start, reference.end) };
  const { start, end, message, hint } = parsed.error;
  return sink.report(locate(tree, text, start, end), message, hint);
}

/** The place of a part of the text: exact where the file says it in the same words, else the whole scalar. */
export function locate(tree: ScalarTree, text: string, start: number, end: number): Span {
  const { origin } = tree;
  if (tree.verbatim >= 0) return { origin, start: tree.verbatim + start, end: tree.verbatim + end };
  const wanted = text.slice(start, end);
  let from = tree.start;
  for (let at = text.indexOf(wanted); at < start && at >= 0; at = text.indexOf(wanted, at + 1))
    from = origin.text.indexOf(wanted, from) + 1;
  const found = origin.text.indexOf(wanted, from);
  return found >= from && found + wanted.length <= tree.end
    ? { origin, start: found, end: found + wanted.length }
    : tree;
}

/**
 * Puts the values of references in place. One reference and nothing else keeps its value's type; in a longer text
 * every value must be a scalar or a named object, and an output may only be the first part, a path inside it the rest.
 */
export function join(
  template: Template,
  valueAt: (reference: Reference) => Value | undefined,
  sink: Diagnostics,
): Value | undefined {
  const { parts } = template;
  const only = parts[0];
  if (parts.length === 1 && only !== undefined) return typeof only === 'string' ? only : valueAt(only);
  let text = '';
  let artifact: Artifact | undefined;
  for (const part of parts) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const value = valueAt(part);
    if (value === undefined) return undefined;
    if (value instanceof Artifact) {
      if (part !== parts[0])
        return sink.report(
          template.spanOf(part),
          'an output of a task must begin its text',
          'a list of inputs is written [a, b]',
        );
      artifact = value;
      continue;
    }
    const piece = textOfValue(value, sink);
    if (piece === undefined)
      return sink.report(
        template.spanOf(part),
        `${nameOf(part)} is ${describe(value)}: inside a text it must be a single value`,
        FIELD_HINT,
      );
    text += piece;
    if (text.length > LONGEST_TEXT) return sink.report(template.spanOf(part), TOO_LONG);
  }
  if (!artifact) return text;
  const suffix = artifact.suffix + text;
  if (!text.startsWith('/'))
    return sink.report(
      artifact.span,
      'after an output only a path inside it may follow',
      `write a slash: \${…}/${text}`,
    );
  return new Artifact(artifact.reference, artifact.span, suffix.replace(/\/+$/, ''));
}

/** References make much of a small file. */
export const LONGEST_TEXT = 10_000_000;
export const TOO_LONG = `this makes a text of more than ${LONGEST_TEXT} letters`;

const FIELD_HINT = 'name one of its fields, as in ${model.input}';

export const nameOf = (reference: Reference): string => `"${[reference.head, ...reference.fields].join('.')}"`;
