// How what is wrong with pipeline.yml is printed: place, message, code frame, next step.
import { relative } from 'node:path';
import type { Diagnostic } from '../model/diagnostic.ts';

export interface FormatOptions {
  readonly color: boolean;
  /** File names are printed relative to this folder when they are inside it. */
  readonly cwd: string;
}

const FRAME_WIDTH = 140;

/** Prints every diagnostic with its code frame; `sourceOf` gives the text of a file, or undefined for no frame. */
export function formatDiagnostics(
  diagnostics: readonly Diagnostic[],
  sourceOf: (file: string) => string | undefined,
  options: FormatOptions,
): string {
  const lines = new Map<string, string[]>();
  const linesOf = (file: string): string[] => {
    const known = lines.get(file);
    if (known) return known;
    const split = (sourceOf(file) ?? '').split(/\r?\n/);
    lines.set(file, split);
    return split;
  };
  return diagnostics.map((diagnostic) => formatOne(diagnostic, linesOf, options)).join('\n');
}

function formatOne(diagnostic: Diagnostic, linesOf: (file: string) => string[], options: FormatOptions): string {
  const paint = (code: number, text: string) => (options.color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const head = `${paint(1, placeOf(diagnostic, options.cwd))}  ${paint(31, diagnostic.message)}\n`;
  const frame = diagnostic.line > 0 ? codeFrame(diagnostic, linesOf(diagnostic.file)) : undefined;
  const body = frame ? `${frame.code}\n${paint(31, frame.marks)}\n` : '';
  const hint = diagnostic.hint ? `${diagnostic.hint.replace(/^/gm, '  ')}\n` : '';
  return head + body + hint;
}

/** One line, for what ends nothing. */
export function formatWarning(warning: Diagnostic, cwd: string): string {
  return `${placeOf(warning, cwd)}  ${[warning.message, warning.hint].filter(Boolean).join('; ')}`;
}

function placeOf(diagnostic: Diagnostic, cwd: string): string {
  const file = shorten(diagnostic.file, cwd);
  return diagnostic.line > 0 ? `${file}:${diagnostic.line}:${diagnostic.column}` : file;
}

/** A file name relative to `cwd` when it is inside it. */
function shorten(file: string, cwd: string): string {
  if (!file.startsWith('/')) return file;
  const short = relative(cwd, file);
  return short.startsWith('..') ? file : short;
}

function codeFrame(diagnostic: Diagnostic, lines: readonly string[]): { code: string; marks: string } | undefined {
  const line = lines[diagnostic.line - 1];
  if (line === undefined) return undefined;
  const first = Math.min(diagnostic.column - 1, line.length);
  const end = Math.max(first + 1, Math.min((diagnostic.endColumn ?? diagnostic.column + 1) - 1, line.length));
  // A long line is cut so that the marked part stays in sight.
  const cut = line.length > FRAME_WIDTH ? Math.max(0, Math.min(first - 20, line.length - FRAME_WIDTH)) : 0;
  const shown =
    (cut > 0 ? '…' : '') + line.slice(cut, cut + FRAME_WIDTH) + (cut + FRAME_WIDTH < line.length ? '…' : '');
  const before = (cut > 0 ? ' ' : '') + line.slice(cut, first).replace(/[^\t]/g, ' ');
  const gutter = `  ${diagnostic.line} | `;
  const marked = Math.min(end, cut + FRAME_WIDTH) - first;
  return { code: gutter + shown, marks: ' '.repeat(gutter.length) + before + '~'.repeat(Math.max(1, marked)) };
}
