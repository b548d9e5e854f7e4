// The code digest of a module task: what its result depends on in the source, blind to comments, format and local names.
// esbuild bundles the module (tree-shaken, so an unused export of a shared file does not count; bundle.ts), oxc-minify drops
// whitespace and renames locals by position, and the npm packages that it imports count by their versions (packages.ts).
//
// A cached digest is trusted when every file that esbuild read, or would have read in its place (unresolved.ts), and all that
// says which packages are installed (resolution.ts) still are what they were. What cannot be known of a module's code is a warning, told whenever it runs.
import { lstatSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import type { Cache } from '../../../cache/index.ts';
import { sha256 } from '../../../cache/index.ts';
import type { Code } from '../../model/ingredients.ts';
import type { Node } from '../../model/node.ts';
import { fail, ok, type Result } from '../../model/result.ts';
import { bundleOptions, type PackageUse, packagesOutside } from './bundle.ts';
import type { Installed } from './installed.ts';
import { packageVersions } from './packages.ts';
import { areFound, foundBy, foundPackages, linksTo, realPlace, versionFiles } from './resolution.ts';
import { deciding, NAMELESS, namelessImports, requiredBy } from './unresolved.ts';

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

const FORMAT = 4;
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
    if ((cache.scan(path.resolve(root, file))?.digest ?? '') !== digest) return null;
  }
  return remembered;
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

  const text = result.outputFiles[0]!.text;
  const { inputs } = result.metafile;
  const sources = Object.keys(inputs).sort();
  const files: Record<string, string> = {};
  const warnings = namelessImports(result.warnings);
  for (const [file, section] of sections(text, sources)) {
    files[file] = await digestText(section);
    const required = requiredBy(file, section);
    warnings.push(...required.warnings);
    const from = path.dirname(path.resolve(root, file));
    for (const specifier of required.packages) uses.push({ specifier, from });
  }
  const { packages, asked } = packageVersions(root, uses);
  const code: Code = { digest: await digestText(text), files, packages, ...(warnings.length > 0 ? { warnings } : {}) };

  const read: Record<string, string> = {};
  const versions = versionFiles(root, [...uses, ...linked], asked);
  for (const file of [...sources, ...deciding(root, inputs), ...versions])
    read[file] = cache.scan(path.resolve(root, file))?.digest ?? '';
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

/** esbuild heads each file's code in a bundle with a comment `// path`; returns that code by file. */
function sections(bundle: string, sources: readonly string[]): Map<string, string> {
  const known = new Set(sources);
  const found = new Map<string, string>();
  let file: string | null = null;
  let lines: string[] = [];
  const close = () => {
    if (file !== null) found.set(file, (found.get(file) ?? '') + lines.join('\n'));
    lines = [];
  };
  for (const line of bundle.split('\n')) {
    const name = line.startsWith('// ') ? line.slice(3) : '';
    if (known.has(name)) {
      close();
      file = name;
    } else lines.push(line);
  }
  close();
  return found;
}

/** Digest of JavaScript up to whitespace, comments and the names of its locals. */
async function digestText(javascript: string): Promise<string> {
  const { minifySync } = await import('oxc-minify');
  const { code, errors } = minifySync('module.mjs', javascript, { compress: false, mangle: { toplevel: true } });
  return sha256(errors.length === 0 ? code : javascript);
}
