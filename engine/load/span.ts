// Where a piece of the specification was written, and the sink that collects what is wrong with it.
import type { Diagnostic } from '../model/diagnostic.ts';

/** A text that spans point into: pipeline.yml, or the value of a `--set`, whose places mean nothing to a reader. */
export interface Origin {
  readonly file: string;
  readonly text: string;
  readonly placed: boolean;
}

/** Offsets in UTF-16 code units, `end` exclusive. */
export interface Span {
  readonly origin: Origin;
  readonly start: number;
  readonly end: number;
}

export interface Diagnostics {
  /** Keeps one diagnostic a place, the first. Returns undefined, so that a failed evaluation can return it. */
  report(span: Span, message: string, hint?: string): undefined;
  /** The same for what is no mistake, but may not be what was meant. */
  warn(span: Span, message: string, hint?: string): undefined;
  /** In the order of the text. */
  diagnostics(): readonly Diagnostic[];
  warnings(): readonly Diagnostic[];
}

export function createDiagnostics(): Diagnostics {
  const errors = createList();
  const warnings = createList();
  return { report: errors.add, warn: warnings.add, diagnostics: errors.inOrder, warnings: warnings.inOrder };
}

function createList() {
  const found = new Map<string, { span: Span; diagnostic: Diagnostic }>();
  return {
    add(span: Span, message: string, hint?: string): undefined {
      const key = `${span.origin.file}\0${span.start}\0${span.end}`;
      if (!found.has(key)) found.set(key, { span, diagnostic: diagnose(span, message, hint) });
      return undefined;
    },
    inOrder() {
      const all = [...found.values()];
      all.sort((a, b) => Number(a.span.origin.placed) - Number(b.span.origin.placed) || a.span.start - b.span.start);
      return all.map((entry) => entry.diagnostic);
    },
  };
}

function diagnose(span: Span, message: string, hint?: string): Diagnostic {
  const { origin } = span;
  const extra = hint === undefined ? {} : { hint };
  if (!origin.placed) return { file: origin.file, line: 0, column: 0, message, ...extra };
  const { line, column, lineEnd } = lineAndColumn(origin, span.start);
  const endColumn = column + Math.max(1, Math.min(span.end, lineEnd) - span.start);
  return { file: origin.file, line, column, endColumn, message, ...extra };
}

/** `pipeline.yml:7:3`, for a message that names a second place. */
export function describePlace(span: Span): string {
  if (!span.origin.placed) return span.origin.file;
  const { line, column } = lineAndColumn(span.origin, span.start);
  return `${span.origin.file.slice(span.origin.file.lastIndexOf('/') + 1)}:${line}:${column}`;
}

const lineStarts = new WeakMap<Origin, number[]>();

function lineAndColumn(origin: Origin, offset: number): { line: number; column: number; lineEnd: number } {
  const starts = lineStarts.get(origin) ?? findLineStarts(origin);
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  const next = starts[low + 1];
  const lineEnd = next === undefined ? origin.text.length : next - (origin.text[next - 2] === '\r' ? 2 : 1);
  return { line: low + 1, column: offset - starts[low]! + 1, lineEnd };
}

function findLineStarts(origin: Origin): number[] {
  const starts = [0];
  for (let at = origin.text.indexOf('\n'); at >= 0; at = origin.text.indexOf('\n', at + 1)) starts.push(at + 1);
  lineStarts.set(origin, starts);
  return starts;
}
