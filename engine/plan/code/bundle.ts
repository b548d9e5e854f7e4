// How a module is bundled: for its digest, and, with a source map and packages found from anywhere, to run it. npm packages
// stay outside, since their versions say what they are; a package that is a link (an npm workspace, `npm link`, `file:`) has
// code that a person edits, and is bundled with the task's own.
import { lstatSync, realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { BuildOptions, Plugin } from 'esbuild';

export type BundleOptions = Omit<BuildOptions, 'write' | 'metafile' | 'minifySyntax' | 'sourcemap'>;

/** An imported npm package, and the folder of the file that imports it. */
export interface PackageUse {
  readonly specifier: string;
  readonly from: string;
}

export function bundleOptions(root: string, module: string, plugin: Plugin): BundleOptions {
  return {
    absWorkingDir: root,
    entryPoints: [module],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    plugins: [plugin],
    // As Node resolves, without esbuild's own condition "module".
    conditions: [],
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: '{}',
  };
}

/** A bundle is ESM, where CommonJS code in it finds no `require`. */
const REQUIRE =
  "import { createRequire as dagCreateRequire } from 'node:module'; const require = dagCreateRequire(import.meta.url);";

export interface RunnableBundle {
  readonly bytes: Uint8Array;
  /** Every file that it was made of, as it was read; absolute. */
  readonly read: ReadonlyMap<string, Buffer>;
}

/** Bundles a module to run it: unminified, with a source map inside so that stack traces name the source. */
export async function bundleToRun(root: string, module: string): Promise<RunnableBundle> {
  const esbuild = await import('esbuild');
  const read = new Map<string, Buffer>();
  const options = bundleOptions(root, module, packagesToRun(root));
  const result = await esbuild.build({
    ...options,
    plugins: [...options.plugins!, reading(read)],
    banner: { js: REQUIRE },
    // Where it will lie, so that the source map leads back from there.
    outfile: path.join(root, '.dag/code/task.mjs'),
    write: false,
    sourcemap: 'inline',
    logLevel: 'silent',
  });
  return { bytes: result.outputFiles[0]!.contents, read };
}

function reading(read: Map<string, Buffer>): Plugin {
  return {
    name: 'reading',
    setup(build) {
      build.onLoad({ filter: /.*/, namespace: 'file' }, async ({ path: file }) => {
        const contents = await readFile(file);
        read.set(file, contents);
        return { contents, loader: 'default' };
      });
    },
  };
}

/** Keeps packages outside, and tells `onUse` of each, and `onLink` of those that are links and come inside. */
export function packagesOutside(onUse: (use: PackageUse) => void, onLink: (use: PackageUse) => void): Plugin {
  return onPackages((use) => {
    onUse(use);
    return use.specifier;
  }, onLink);
}

/** The bundle runs in a folder of the project's: what a linked package has in a node_modules of its own is found by its path. */
function packagesToRun(root: string): Plugin {
  return onPackages(async ({ specifier, from }, resolve) => {
    const place = findPackage(from, packageName(specifier));
    return place === null || place === findPackage(root, packageName(specifier)) ? specifier : await resolve();
  });
}

type Outside = (use: PackageUse, resolve: () => Promise<string>) => string | Promise<string>;

function onPackages(outside: Outside, onLink: (use: PackageUse) => void = () => {}): Plugin {
  const ASKED = {};
  return {
    name: 'packages',
    setup(build) {
      // Neither relative, absolute, nor `#…`, which package.json maps.
      build.onResolve({ filter: /^[^./#]/ }, async ({ path: specifier, kind, resolveDir, importer, pluginData }) => {
        if (kind === 'entry-point' || pluginData === ASKED) return undefined;
        const use = { specifier, from: resolveDir };
        if (isLinked(resolveDir, packageName(specifier))) {
          onLink(use);
          return undefined;
        }
        const resolve = async () => {
          const found = await build.resolve(specifier, { kind, resolveDir, importer, pluginData: ASKED });
          return found.path === '' ? specifier : found.path;
        };
        return { path: await outside(use, resolve), external: true };
      });
    },
  };
}

/** Whether a package is a link to a folder that is no installed package: pnpm links installed ones. */
function isLinked(from: string, name: string): boolean {
  const place = findPackage(from, name);
  return place !== null && lstatSync(place).isSymbolicLink() && !`${realpathSync(place)}/`.includes('/node_modules/');
}

/** Where Node finds a package: in the nearest node_modules, outwards. */
export function findPackage(from: string, name: string): string | null {
  for (const modules of nodeModules(from)) {
    const place = path.join(modules, name);
    if (lstatSync(place, { throwIfNoEntry: false })) return place;
  }
  return null;
}

/** Where Node looks for packages, there or not: the nearest first. */
export function* nodeModules(from: string): Generator<string> {
  for (let folder = from; ; folder = path.dirname(folder)) {
    yield path.join(folder, 'node_modules');
    if (folder === path.dirname(folder)) return;
  }
}

export function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!;
}
