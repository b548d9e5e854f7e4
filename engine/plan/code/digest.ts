// The code digest of a module task: what its result depends on in the source, blind to comments, format and local names.
// esbuild bundles the module (tree-shaken, so an unused export of a shared file does not count; bundle.ts), oxc-minify drops
// whitespace and renames locals by position, and the npm packages that it imports count by their versions (packages.ts).
//
// A cached digest is trusted when every file that esbuild read, or would have read in its place (unresolved.ts), and all that
// says which packages are installed (resolution.ts) still are what they were. What cannot be known of a module's code is a warning, told whenever it runs.

import { lstatSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import type { Cache } from '../../../cache/index.ts';
import { hashValue, sha256, Unhashable } from '../../../cache/index.ts';
import type { Code } from '../../model/ingredients.ts';
import type { Node } from '../../model/node.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { assetsOf } from './assets.ts';
import { bundleOptions, HERE, type PackageUse, packagesOutside } from './bundle.ts';
import type { Installed } from './installed.ts';
import { packageVersions } from './packages.ts';
import { areFound, foundBy, foundPackages, linksTo, realPlace, versionFiles } from './resolution.ts';
import { configWarnings, deciding, NAMELESS, namelessImports, requiredBy } from './unresolved.ts';

interface Remembered {
  readonly format: number;
  /** Every file that was read (relative to the root), with the digest of its bytes. */
  readonly read: Readonly<Record<string, string>>;
  /** Where the module really lies: imports by relative paths start there. */
  readonly module: string | null;
  readonly installed: Installed;
  readonly code: Code;
}

/** A module's code, and what has to stay as it is for its packages to be those of the digest. */
export type CodeAndPackages = Pick<Remembered, 'code' | 'installed'>;

const FORMAT = 5;
/** Times of files are as coarse as the kernel's tick. */
const CLOCK_TICK_MS = 20;

/** The code digests of these modules (paths relative to `root`), from the cache where their files are unchanged. */
export async function codeOf(
  root: string,
  modules: Iterable<string>,
  cache: Cache,
): Promise<Map<string, Result<Code, string>>> {
  const codes = new Map<string, Result<Code, string>>();
  const unknown: string[] = [];
  const known = new Map<string, string | null>();
  for (const module of modules) {
    const remembered = recall(root, module, cache, known);
    if (remembered) codes.set(module, ok(remembered.code));
    else unknown.push(module);
  }
  for (const module of unknown) {
    const made = await digestModule(root, module, cache);
    codes.set(module, made.ok ? ok(made.value.code) : made);
  }
  return codes;
}

/** Absolute paths of what a module's code was made of when it was last looked at; none before the first time. */
export function filesRead(root: string, module: string, cache: Cache): string[] {
  const remembered = cache.get('code', module) as Remembered | undefined;
  return Object.keys(remembered?.read ?? {}).map((file) => path.resolve(root, file));
}

/** A module's code as it is now, past what was looked at before. */
export async function codeNow(root: string, module: string, cache: Cache): Promise<Result<CodeAndPackages, string>> {
  for (const file of filesRead(root, module, cache)) cache.forget(file);
  const remembered = recall(root, module, cache, new Map());
  return remembered ? ok(remembered) : digestModule(root, module, cache);
}

function recall(root: string, module: string, cache: Cache, known: Map<string, string | null>): Remembered | null {
  const remembered = cache.get('code', module) as Remembered | undefined;
  if (remembered?.format !== FORMAT) return null;
  if (realPlace(root, path.resolve(root, module)) !== remembered.module) return null;
  if (!areFound(root, remembered.installed.found, known)) return null;
  for (const [file, digest] of Object.entries(remembered.read)) {
    if (digestAt(root, file, cache) !== digest) return null;
  }
  return remembered;
}

/** Empty where nothing lies, or what has no content: a link to nothing. */
function digestAt(root: string, file: string, cache: Cache): string {
  try {
    return cache.scan(path.resolve(root, file))?.digest ?? '';
  } catch (error) {
    if (error instanceof Unhashable) return '';
    throw error;
  }
}

/** What (relative to the root) the code digests of these nodes were made of: files, and folders that alone count as `FOLDER/.`. */
export function codeFiles(root: string, nodes: readonly Node[], cache: Cache): string[] {
  const modules = new Set(nodes.flatMap(({ action }) => (action.kind === 'module' ? [action.path] : [])));
  return [...modules].flatMap((module) => {
    const { read = {}, installed } = (cache.get('code', module) ?? {}) as Partial<Remembered>;
    return [module, ...Object.keys(read), ...foundBy(root, installed?.found ?? {})];
  });
}

async function digestModule(root: string, module: string, cache: Cache): Promise<Result<CodeAndPackages, string>> {
  const esbuild = await import('esbuild');
  const startedMs = Date.now();
  const uses: PackageUse[] = [];
  const linked: PackageUse[] = [];
  const result = await esbuild
    .build({
      ...bundleOptions(
        root,
        module,
        packagesOutside(
          (use) => uses.push(use),
          (use) => linked.push(use),
        ),
      ),
      write: false,
      metafile: true,
      minifySyntax: true,
      logLevel: 'silent',
      logOverride: NAMELESS,
    })
    .catch((error: { errors?: Parameters<typeof esbuild.formatMessagesSync>[0]; message: string }) =>
      error.errors ? esbuild.formatMessagesSync(error.errors, { kind: 'error' }).join('').trimEnd() : error.message,
    );
  if (typeof result === 'string') return fail(result);

  const { inputs } = result.metafile;
  const sources = Object.keys(inputs).sort();
  const parts = sections(result.outputFiles[0]!.text, sources);
  const contents = await contentsOf(root, parts);
  uses.push(...contents.uses);
  const look = (file: string) => {
    cache.forget(path.resolve(root, file)); // It was read a moment ago, whatever it was before.
    return digestAt(root, file, cache);
  };
  const assets = Object.fromEntries(contents.assets.map((file) => [file, look(file)]));
  const { packages, asked, warnings: strays } = packageVersions(root, uses);
  const text = await digestText(parts.map((part) => part.placed).join('\n'));
  const warnings = [
    ...namelessImports(result.warnings),
    ...configWarnings(result.warnings),
    ...contents.warnings,
    ...strays,
  ];
  const code: Code = {
    digest: contents.assets.length === 0 ? text : hashValue([text, assets]),
    files: contents.files,
    packages,
    ...(contents.assets.length === 0 ? {} : { assets }),
    ...(warnings.length > 0 ? { warnings } : {}),
  };

  const read: Record<string, string> = { ...assets };
  const versions = versionFiles(root, [...uses, ...linked], asked);
  for (const file of [...sources, ...deciding(root, inputs), ...versions]) read[file] = look(file);
  const installed = { found: foundPackages(root, [...uses, ...linked]), versions };
  const at = realPlace(root, path.resolve(root, module));
  // What was edited since it may have been read would be remembered as what it was before.
  const isYoung = (stat?: Stats) => stat !== undefined && stat.ctimeMs >= startedMs - CLOCK_TICK_MS;
  const stats = Object.keys(read).map((file) => statSync(path.resolve(root, file), { throwIfNoEntry: false }));
  const links = linksTo(root, installed.found).map((link) => lstatSync(link));
  const isSure = sources.every((file) => read[file] !== '') && ![...stats, ...links].some(isYoung);
  if (isSure) cache.put('code', module, { format: FORMAT, read, module: at, installed, code } satisfies Remembered);
  return ok({ code, installed });
}

interface Contents {
  readonly files: Code['files'];
  /** Packages that are loaded otherwise than by an import. */
  readonly uses: readonly PackageUse[];
  /** Paths relative to the root. */
  readonly assets: readonly string[];
  readonly warnings: readonly string[];
}

/** What can be told of the code file by file. */
async function contentsOf(root: string, parts: readonly Section[]): Promise<Contents> {
  const files: Record<string, string> = {};
  const uses: PackageUse[] = [];
  const assets: string[] = [];
  const warnings: string[] = [];
  for (const [file, { text, placed }] of byFile(parts)) {
    files[file] = await digestText(placed);
    const required = requiredBy(file, text);
    const named = assetsOf(root, file, text);
    const from = path.dirname(path.resolve(root, file));
    uses.push(...required.packages.map((specifier) => ({ specifier, from })));
    assets.push(...named.places.map((place) => path.relative(root, place)));
    warnings.push(...required.warnings, ...named.warnings);
  }
  return { files, uses, assets, warnings };
}

interface Section {
  /** Null before the first file. */
  readonly file: string | null;
  readonly text: string;
  /** With its file's path within the project where it speaks of its place: two files with the same words have two places. */
  readonly placed: string;
}

/** This asks for packages alone, which count by where they are found. */
const OF_PACKAGES = new RegExp(
  String.raw`(?<=\bcreateRequire\d*\()${HERE}(?=\.url\))|\b${HERE}(?=\.resolve\(\s*["'\`][^./"'\`$])`,
  'g',
);

/** esbuild heads each file's code in a bundle with a comment `// path`. */
function sections(bundle: string, sources: readonly string[]): Section[] {
  const known = new Set(sources);
  const found: Section[] = [];
  let file: string | null = null;
  let lines: string[] = [];
  const close = () => {
    const text = lines.join('\n');
    const placed = text.replace(OF_PACKAGES, 'import.meta').replaceAll(HERE, () => `dagPlace(${JSON.stringify(file)})`);
    found.push({ file, text, placed });
    lines = [];
  };
  for (const line of bundle.split('\n')) {
    const name = line.startsWith('// ') ? line.slice(3) : '';
    if (known.has(name)) {
      close();
      file = name;
    } else if (!isVain(line, lines.at(-1))) lines.push(line);
  }
  close();
  return found;
}

/** `strict` of tsconfig.json has esbuild begin each wrapped file so; a bundle is strict by itself. */
const isVain = (line: string, before = '') =>
  line.trim() === '"use strict";' && /^ +"[^"]+\.[cm]?tsx?"\(.*\) \{$/.test(before);

/** The code of each file as one. */
function byFile(parts: readonly Section[]): Map<string, Omit<Section, 'file'>> {
  const found = new Map<string, Omit<Section, 'file'>>();
  for (const { file, text, placed } of parts) {
    const before = found.get(file ?? '');
    if (file !== null) found.set(file, { text: (before?.text ?? '') + text, placed: (before?.placed ?? '') + placed });
  }
  return found;
}

/** Digest of JavaScript up to whitespace, comments and the names of its locals. */
async function digestText(javascript: string): Promise<string> {
  const { minifySync } = await import('oxc-minify');
  const { code, errors } = minifySync('module.mjs', javascript, { compress: false, mangle: { toplevel: true } });
  return sha256(errors.length === 0 ? code : javascript);
}
