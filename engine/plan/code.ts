// The code digest of a module task: what its result depends on in the source, blind to comments, format and local names.
// esbuild bundles the module (tree-shaken, so an unused export of a shared file does not count), oxc-minify drops
// whitespace and renames locals by position, and the npm packages that it imports count by their versions in the lock file.
//
// A cached digest is trusted when every file that esbuild read, and the lock file, still has the bytes it had. Local
// imports are written with their extension, so a new file cannot change what an import means without a read file changing.
import { statSync } from 'node:fs';
import path from 'node:path';
import type { BuildOptions } from 'esbuild';
import type { Cache } from '../../cache/index.ts';
import { sha256 } from '../../cache/index.ts';
import type { Node } from '../graph/node.ts';
import { fail, ok, type Result } from '../result.ts';
import { packageVersions } from './packages.ts';

export interface Code {
  readonly digest: string;
  /** Each source file that the bundle contains code of → digest of that code, to name what changed. */
  readonly files: Readonly<Record<string, string>>;
  /** Each imported npm package → version and digest of its dependencies' versions. */
  readonly packages: Readonly<Record<string, string>>;
}

interface Remembered {
  readonly format: number;
  /** Every file that was read (relative to the root), with the digest of its bytes. */
  readonly read: Readonly<Record<string, string>>;
  readonly code: Code;
}

type BundleOptions = Omit<BuildOptions, 'write' | 'metafile' | 'minifySyntax' | 'sourcemap'>;

const FORMAT = 1;
/** Times of files are as coarse as the kernel's tick. */
const CLOCK_TICK_MS = 20;
const LOCK_FILE = 'package-lock.json';

/** The code digests of these modules (paths relative to `root`), from the cache where their files are unchanged. */
export async function codeOf(
  root: string,
  modules: Iterable<string>,
  cache: Cache,
): Promise<Map<string, Result<Code, string>>> {
  const codes = new Map<string, Result<Code, string>>();
  const unknown: string[] = [];
  for (const module of modules) {
    const code = recall(root, module, cache);
    if (code) codes.set(module, ok(code));
    else unknown.push(module);
  }
  for (const module of unknown) codes.set(module, await digestModule(root, module, cache));
  return codes;
}

/** Absolute paths of what a module's code was made of when it was last looked at; none before the first time. */
export function filesRead(root: string, module: string, cache: Cache): string[] {
  const remembered = cache.get('code', module) as Remembered | undefined;
  return Object.keys(remembered?.read ?? {}).map((file) => path.resolve(root, file));
}

/** Whether a module's code still has this digest, past what was looked at before. */
export async function isCodeAsItWas(root: string, module: string, digest: string, cache: Cache): Promise<boolean> {
  for (const file of filesRead(root, module, cache)) cache.forget(file);
  const code = (await codeOf(root, [module], cache)).get(module)!;
  return code.ok && code.value.digest === digest;
}

function recall(root: string, module: string, cache: Cache): Code | null {
  const remembered = cache.get('code', module) as Remembered | undefined;
  if (remembered?.format !== FORMAT) return null;
  for (const [file, digest] of Object.entries(remembered.read)) {
    if ((cache.look(path.resolve(root, file))?.digest ?? '') !== digest) return null;
  }
  return remembered.code;
}

/** The files (relative to the root) that the code digests of these nodes were made of. */
export function codeFiles(nodes: readonly Node[], cache: Cache): string[] {
  const modules = new Set(nodes.flatMap(({ action }) => (action.kind === 'module' ? [action.path] : [])));
  const readFor = (module: string) => (cache.get('code', module) as Remembered | undefined)?.read ?? {};
  return [...modules].flatMap((module) => [module, ...Object.keys(readFor(module))]);
}

async function digestModule(root: string, module: string, cache: Cache): Promise<Result<Code, string>> {
  const esbuild = await import('esbuild');
  const startedMs = Date.now();
  const result = await esbuild
    .build({ ...bundleOptions(root, module), write: false, metafile: true, minifySyntax: true, logLevel: 'silent' })
    .catch((error: { errors?: Parameters<typeof esbuild.formatMessagesSync>[0]; message: string }) =>
      error.errors ? esbuild.formatMessagesSync(error.errors, { kind: 'error' }).join('').trimEnd() : error.message,
    );
  if (typeof result === 'string') return fail(result);

  const text = result.outputFiles[0]!.text;
  const sources = Object.keys(result.metafile.inputs).sort();
  const packages = packageVersions(root, externalImports(result.metafile));
  const files: Record<string, string> = {};
  for (const [file, section] of sections(text, sources)) files[file] = await digestText(section);
  const code = { digest: await digestText(text), files, packages };

  const read: Record<string, string> = {};
  const installed = Object.keys(packages).map((name) => `node_modules/${name}/package.json`);
  for (const file of [...sources, ...installed, LOCK_FILE]) {
    read[file] = cache.look(path.resolve(root, file))?.digest ?? '';
  }
  // A file edited since esbuild may have read it would be remembered with a digest of what it was before.
  const isYoung = (file: string) => {
    const stat = statSync(path.resolve(root, file), { throwIfNoEntry: false });
    return !stat || stat.ctimeMs >= startedMs - CLOCK_TICK_MS;
  };
  if (!sources.some(isYoung)) cache.put('code', module, { format: FORMAT, read, code } satisfies Remembered);
  return ok(code);
}

/** How a module is bundled, for its digest and (with a source map) to run it. */
export function bundleOptions(root: string, module: string): BundleOptions {
  return {
    absWorkingDir: root,
    entryPoints: [module],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: '{}',
  };
}

function externalImports(metafile: {
  inputs: Record<string, { imports: { path: string; external?: boolean }[] }>;
}): Set<string> {
  const names = new Set<string>();
  for (const { imports } of Object.values(metafile.inputs)) {
    for (const item of imports) if (item.external) names.add(item.path);
  }
  return names;
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

/** Bundles a module to run it: unminified, with a source map inside so that stack traces name the source. */
export async function bundleToRun(root: string, module: string): Promise<Uint8Array> {
  const esbuild = await import('esbuild');
  const result = await esbuild.build({
    ...bundleOptions(root, module),
    write: false,
    sourcemap: 'inline',
    logLevel: 'silent',
  });
  return result.outputFiles[0]!.contents;
}
