// What a bundler does not follow by itself: files whose coming would change what an import means, code that is required by
// way of `createRequire`, and imports of names that are only known when the task runs.
import { statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import type { Location, Message, Metafile } from 'esbuild';
import { HERE } from './bundle.ts';
import { tsconfigReader } from './tsconfig.ts';

/** esbuild's, which are silent by default. */
export const NAMELESS = { 'unsupported-dynamic-import': 'warning', 'unsupported-require-call': 'warning' } as const;

const EXTENSIONS = ['.tsx', '.ts', '.jsx', '.js', '.css', '.json'];
const REWRITTEN: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx'],
  '.jsx': ['.ts', '.tsx'],
  '.mjs': ['.mts'],
  '.cjs': ['.cts'],
};

/**
 * Paths relative to the root beside those that were read, there or not: an import without its extension, or by the `paths` of
 * tsconfig.json, may find another file once that is there, one by a pattern means what its folder holds, and package.json says
 * how to import and what is free of effects.
 */
export function deciding(root: string, inputs: Metafile['inputs']): string[] {
  const found = new Set<string>();
  const configOf = tsconfigReader();
  for (const [importer, { imports }] of Object.entries(inputs)) {
    for (const file of manifestsAbove(root, importer)) found.add(file);
    const config = configOf(path.dirname(path.resolve(root, importer)));
    for (const file of config.files) found.add(path.relative(root, file));
    for (const { path: target, original = target, external } of imports) {
      const isRelative = /^\.\.?(?:\/|$)/.test(original);
      const meant = path.join(path.dirname(importer), original);
      if (isRelative && external) found.add(globFolder(meant));
      else if (isRelative && meant !== target) for (const file of candidates(root, meant)) found.add(file);
      else if (!isRelative && !isBuiltin(original))
        for (const place of config.meant(original).places)
          for (const file of candidates(root, path.relative(root, place))) found.add(file);
    }
  }
  return [...found].filter((file) => !(file in inputs));
}

function manifestsAbove(root: string, file: string): string[] {
  const files: string[] = [];
  for (let folder = path.dirname(path.resolve(root, file)); ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, 'package.json');
    files.push(path.relative(root, manifest));
    const isOutside = path.relative(root, folder).startsWith('..') && statSync(manifest, { throwIfNoEntry: false });
    if (folder === root || isOutside || folder === path.dirname(folder)) return files;
  }
}

function candidates(root: string, meant: string): string[] {
  if (statSync(path.resolve(root, meant), { throwIfNoEntry: false })?.isFile()) return [meant];
  const extension = path.extname(meant);
  const stem = meant.slice(0, meant.length - extension.length);
  const files = [
    ...['', ...EXTENSIONS].map((ending) => meant + ending),
    ...(REWRITTEN[extension] ?? []).map((ending) => stem + ending),
    ...EXTENSIONS.map((ending) => path.join(meant, `index${ending}`)),
  ];
  // A folder is no module itself, and its content is none of the import's matter.
  return files.filter((file) => !statSync(path.resolve(root, file), { throwIfNoEntry: false })?.isDirectory());
}

/** esbuild imports `./plug/${name}.ts` as all that matches `./plug/**` with that ending. */
const globFolder = (pattern: string) => path.dirname(pattern.slice(0, pattern.indexOf('*') + 1));

export interface Required {
  readonly packages: readonly string[];
  /** For the user. */
  readonly warnings: readonly string[];
}

/** `code`: a file's part of a bundle. */
export function requiredBy(file: string, code: string): Required {
  const makers = [...code.matchAll(/([\w$]+)\s*=\s*(?:[\w$]+\.)?createRequire\d*\(/g)].map(([, name]) => name!);
  const requires = makers.map((name) => String.raw`(?<![\w$.])${name.replaceAll('$', '\\$')}`);
  const callers = [...requires, String.raw`createRequire\d*\([^()]*\)`, String.raw`${HERE}(?=\.resolve)`].join('|');
  const literal = '(["\'`])((?:(?!\\2)[^\\\\$])*)\\2\\s*[,)]';
  const packages: string[] = [];
  const warnings = new Set<string>();
  for (const call of code.matchAll(new RegExp(`(?:${callers})(\\.resolve)?\\(\\s*(?:${literal})?`, 'g'))) {
    const [, resolves, quote, name = ''] = call;
    if (quote !== undefined && !/^[./]/.test(name)) packages.push(name);
    // To be told where something lies loads nothing.
    else if (resolves) continue;
    else if (quote === undefined) warnings.add(`${file} requires ${UNKNOWN}`);
    else warnings.add(`${file} requires ${name} by createRequire: its code is not in the key; import it`);
  }
  return { packages, warnings: [...warnings] };
}

const UNKNOWN = 'a module by a name that is only known when it runs: its code is not in the key; write the name out';
const MARK = '@vite-ignore';

/** Columns are counted in bytes. */
function isMarked({ lineText, column }: Location): boolean {
  const call = Buffer.from(lineText).toString('utf8', column);
  return /^import\s*\(\s*\/\*\s*@vite-ignore\b/.test(call);
}

/** What esbuild finds odd about a tsconfig.json, as that it extends one that is not there. */
export function configWarnings(warnings: readonly Message[]): string[] {
  return warnings.flatMap(({ id, text, location }) =>
    id === 'tsconfig.json' && location ? [`${placeOf(location)} ${text}`] : [],
  );
}

const placeOf = ({ file, line, column }: Location) => `${file}:${line}:${column + 1}`;

/** A person who knows what is imported there may say so, by the mark that other bundlers know. */
export function namelessImports(warnings: readonly Message[]): string[] {
  return warnings.flatMap(({ id, location }) => {
    if (!(id in NAMELESS) || !location || isMarked(location)) return [];
    return [`${placeOf(location)} imports ${UNKNOWN}, or mark it: import(/* ${MARK} */ name)`];
  });
}
