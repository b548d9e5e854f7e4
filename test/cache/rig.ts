// Temporary folders, trees of real files, and real child processes for the tests of the cache.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach } from 'vitest';
import { type Cache, type CacheOptions, openCache } from '../../cache/index.ts';

const folders: string[] = [];
const caches: Cache[] = [];

/** A folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'dag-cache-'));
  folders.push(folder);
  return folder;
}

/** A cache in FOLDER/.dag that is closed when the test ends. */
export function cacheIn(folder: string, options: Partial<CacheOptions> = {}): Cache {
  const cache = openCache({ dir: join(folder, '.dag'), ...options });
  caches.push(cache);
  return cache;
}

export async function closeCache(cache: Cache): Promise<void> {
  caches.splice(caches.indexOf(cache), 1);
  await cache.close();
}

afterEach(async () => {
  for (const cache of caches.splice(0)) await cache.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Files by path; a path with a slash at its end is an empty folder. */
export type Tree = Readonly<Record<string, string>>;

export function plant(folder: string, tree: Tree): string {
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(tree)) {
    const full = join(folder, path);
    mkdirSync(path.endsWith('/') ? full : dirname(full), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(full, text);
  }
  return folder;
}

/** Returns when a write to the file system would get a later time than what was written before the call. */
export async function clockMoved(folder: string): Promise<void> {
  const probe = join(folder, '.clock');
  writeFileSync(probe, '');
  const before = statSync(probe).ctimeMs;
  do {
    await new Promise(setImmediate);
    writeFileSync(probe, 'x');
  } while (statSync(probe).ctimeMs < before + 25);
  rmSync(probe);
}

export interface Child {
  readonly process: ChildProcess;
  /** The next line it prints. Rejects when it ends without. */
  line(): Promise<string>;
  /** A line on its standard input. */
  tell(text: string): void;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

const bundles = new Map<string, Promise<string>>();
let bundleFolder: string | null = null;

/** Runs test/cache/children/NAME.ts as a process of its own. */
export async function startChild(
  name: string,
  args: readonly string[],
  options: { uid?: number } = {},
): Promise<Child> {
  bundles.set(name, bundles.get(name) ?? bundle(name));
  const child = spawn(process.execPath, [await bundles.get(name)!, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...options,
  });
  const lines: string[] = [];
  const readers: { resolve(line: string): void; reject(error: Error): void }[] = [];
  let rest = '';
  child.stdout!.on('data', (data) => {
    const parts = (rest + data).split('\n');
    rest = parts.pop()!;
    for (const line of parts) {
      const reader = readers.shift();
      if (reader) reader.resolve(line);
      else lines.push(line);
    }
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('close', (code, signal) => {
      for (const reader of readers.splice(0)) reader.reject(new Error(`child ${name} ended: ${code ?? signal}`));
      resolve(code ?? signal!);
    });
  });
  return {
    process: child,
    line: () =>
      lines.length > 0
        ? Promise.resolve(lines.shift()!)
        : new Promise((resolve, reject) => readers.push({ resolve, reject })),
    tell: (text) => child.stdin!.write(`${text}\n`),
    ended,
  };
}

/** Node 20 does not run TypeScript, so the child is bundled first, with packages by their absolute paths. */
async function bundle(name: string): Promise<string> {
  bundleFolder ??= mkdtempSync(join(tmpdir(), 'dag-cache-child-'));
  chmodSync(bundleFolder, 0o755); // Some children run as another user.
  const outfile = join(bundleFolder, `${name}.mjs`);
  const require = createRequire(import.meta.url);
  await build({
    entryPoints: [join(import.meta.dirname, 'children', `${name}.ts`)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
    plugins: [
      {
        name: 'packages by path',
        setup(on) {
          on.onResolve({ filter: /^lmdb$/ }, () => ({
            path: pathToFileURL(require.resolve('lmdb')).href,
            external: true,
          }));
        },
      },
    ],
  });
  return outfile;
}

afterAll(() => {
  if (bundleFolder) rmSync(bundleFolder, { recursive: true, force: true });
  bundleFolder = null;
  bundles.clear();
});
