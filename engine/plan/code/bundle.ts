// How a module is bundled: for its digest, and, with a source map and packages found from anywhere, to run it. npm packages
// stay outside, since their versions say what they are; a package that is a link (an npm workspace, `npm link`, `file:`) has
// code that a person edits, and is bundled with the task's own, as is what `paths` of tsconfig.json lead to.
//
// `import.meta`, `__dirname` and `__filename` mean in a bundle what they mean in the source file that has them: a name of ours stands
// for them (HERE), which the digest takes for the file's path within the project, and a run for its place on the disk.
import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import type { BuildOptions, Plugin } from 'esbuild';
import { findPackage, packageName } from './nodeModules.ts';
import { tsconfigReader } from './tsconfig.ts';

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
    define: { 'import.meta': HERE, __dirname: `${HERE}.dirname`, __filename: `${HERE}.filename` },
  };
}

/** In a file's code: an object with what `import.meta` of that file has. */
export const HERE = 'dagHere';

/** A bundle is ESM, where CommonJS code in it finds no `require`. Of one line, which no source map counts. */
const PREAMBLE = [
  "import { createRequire as dagCreateRequire } from 'node:module'; const require = dagCreateRequire(import.meta.url);",
  "import { pathToFileURL as dagUrlOf } from 'node:url'; import { dirname as dagFolderOf } from 'node:path';",
  'const dagPlace = (filename, url = dagUrlOf(filename).href) => ({ filename, dirname: dagFolderOf(filename), url,',
  'resolve: (name) => /^\\.{0,2}\\//.test(name) ? new URL(name, url).href : import.meta.resolve(name) });',
].join(' ');

export interface RunnableBundle {
  readonly bytes: Uint8Array;
  /** Every file that it was made of, as it was read; absolute. */
  readonly read: ReadonlyMap<string, Buffer>;
  /** What esbuild itself looked for to know how to read them; absolute, there or not. */
  readonly configs: ReadonlySet<string>;
}

/** Bundles a module to run it: unminified, with a source map inside so that stack traces name the source. */
export async function bundleToRun(root: string, module: string): Promise<RunnableBundle> {
  const esbuild = await import('esbuild');
  const read = new Map<string, Buffer>();
  const options = bundleOptions(root, module, packagesToRun(root));
  const result = await esbuild.build({
    ...options,
    plugins: [...options.plugins!, reading(read)],
    banner: { js: PREAMBLE },
    // Where it will lie, so that the source map leads back from there.
    outfile: path.join(root, '.dag/code/task.mjs'),
    write: false,
    sourcemap: 'inline',
    logLevel: 'silent',
  });
  const configOf = tsconfigReader();
  const configs = new Set([...read.keys()].flatMap((file) => configOf(path.dirname(file)).files));
  return { bytes: result.outputFiles[0]!.contents, read, configs };
}

function reading(read: Map<string, Buffer>): Plugin {
  return {
    name: 'reading',
    setup(build) {
      build.onLoad({ filter: /.*/, namespace: 'file' }, async ({ path: file }) => {
        const contents = await readFile(file);
        read.set(file, contents);
        return { contents: SOURCE.test(file) ? placed(contents.toString(), file) : contents, loader: 'default' };
      });
    },
  };
}

const SOURCE = /\.[cm]?[jt]sx?$/;

/** Where a file says nothing of its place, esbuild drops what is not used, or it is not written at all. */
function placed(source: string, file: string): string {
  if (!/\bmeta\b|\b__(?:dir|file)name\b/.test(source)) return source;
  return source.replace(
    /^(?:#!.*\n)?/,
    (first) => `${first}const ${HERE} = /* @__PURE__ */ dagPlace(${JSON.stringify(file)}); `,
  );
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
  return onPackages(async ({ specifier, from }, resolve, isRenamed) => {
    const place = findPackage(from, packageName(specifier));
    const isFound = place === null || place === findPackage(root, packageName(specifier));
    return isFound && !isRenamed ? specifier : await resolve();
  });
}

/** `isRenamed`: `paths` give the package, or a part of it, another name, which Node does not know. */
type Outside = (use: PackageUse, resolve: () => Promise<string>, isRenamed: boolean) => string | Promise<string>;

function onPackages(outside: Outside, onLink: (use: PackageUse) => void = () => {}): Plugin {
  const ASKED = {};
  const configOf = tsconfigReader();
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
        const resolve = async () =>
          (await build.resolve(specifier, { kind, resolveDir, importer, pluginData: ASKED })).path || specifier;
        const { places, pattern } = configOf(resolveDir).meant(specifier);
        if (places.length > 0 && !isBuiltin(specifier)) {
          const place = await resolve();
          const own = findPackage(resolveDir, packageName(specifier));
          if (path.isAbsolute(place) && !place.includes(IN_PACKAGES)) return undefined;
          if (path.isAbsolute(place) && (own === null || !place.startsWith(`${realpathSync(own)}/`)))
            return { path: await outside(packageAt(place), async () => place, true), external: true };
          if (own === null && pattern !== null && !places.some(hasTypes))
            return {
              errors: [{ text: leadsNowhere(build.initialOptions.absWorkingDir!, specifier, pattern, places) }],
            };
        }
        return { path: await outside(use, resolve, false), external: true };
      });
    },
  };
}

const IN_PACKAGES = '/node_modules/';

function packageAt(place: string): PackageUse {
  const at = place.lastIndexOf(IN_PACKAGES);
  return { specifier: place.slice(at + IN_PACKAGES.length), from: place.slice(0, at) };
}

/** Types alone are of a package that is not installed here. */
const hasTypes = (place: string) => existsSync(`${place}.d.ts`) || existsSync(path.join(place, 'index.d.ts'));

function leadsNowhere(root: string, specifier: string, pattern: string, places: readonly string[]): string {
  const tried = places.map((place) => path.relative(root, place)).join(', ');
  return `"${specifier}" leads nowhere: by "${pattern}" of \`paths\` in tsconfig.json it is ${tried}, and nothing is there`;
}

/** Whether a package is a link to a folder that is no installed package: pnpm links installed ones. */
function isLinked(from: string, name: string): boolean {
  const place = findPackage(from, name);
  return place !== null && lstatSync(place).isSymbolicLink() && !`${realpathSync(place)}/`.includes('/node_modules/');
}
