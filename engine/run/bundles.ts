// The code that nodes run: each module is bundled once a run. The npm packages that a bundle imports lie outside of it and are read
// when a process starts, or when the task likes: that they are those of the node's key is asked of their stats before a node
// starts, when its process has loaded it, and at its end.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Cache, sha256 } from '../../cache/index.ts';
import type { Code } from '../model/ingredients.ts';
import { describeReasons, type Reason } from '../model/reason.ts';
import { codeChanges } from '../plan/changes.ts';
import { bundleToRun } from '../plan/code/bundle.ts';
import { codeNow } from '../plan/code/digest.ts';
import { type Installed, installedStats, reinstalled, versionChanges } from '../plan/code/installed.ts';

export interface Bundle {
  readonly file: string;
  /** A digest of the stats of the packages that it imports; a process may be kept for a bundle with the same. */
  readonly packages: string;
  /** Absolute paths of what its code names by its own place, and may read. */
  readonly assets: readonly string[];
  /** What became of these packages since this was given out. */
  packagesSince(): PackagesSince;
}

export type PackagesSince =
  | { readonly kind: 'same' }
  /** They have the versions that they had, but may have had others meanwhile. */
  | { readonly kind: 'reinstalled'; readonly what: string }
  | { readonly kind: 'changed'; readonly what: string };

/** Throws `CodeChanged` where the code or the packages are not what keys were made of. */
export type Bundles = (module: string) => Promise<Bundle>;

/** The message is for a person. */
export class CodeChanged extends Error {}

const TRIES = 5;
/** Times of files are as coarse as the kernel's tick. */
const CLOCK_TICK_MS = 20;

/** Bundles go under `.dag/code`, so that their npm imports resolve from the project. */
export function createBundles(root: string, folder: string, codes: ReadonlyMap<string, Code>, cache: Cache): Bundles {
  const made = new Map<string, Promise<{ file: string; installed: Installed }>>();
  const verified = new Map<string, string>();

  const make = async (module: string, tries = TRIES): Promise<{ file: string; installed: Installed }> => {
    const startedMs = Date.now();
    const bundle = await bundleToRun(root, module).catch(() => null);
    // After the files were read: it is these that have to be what the key was made of.
    const now = await codeNow(root, module, cache);
    if (!bundle || !now.ok)
      throw new CodeChanged(`${module} does not build any more: it was edited since this run began`);
    const [before, after] = [codes.get(module)!, now.value.code].map((code) => ({
      kind: 'module' as const,
      path: module,
      ...code,
    }));
    refuse(module, codeChanges(before!, after!));
    if (isStillSo(bundle.read) && !wereWritten(bundle.configs, startedMs - CLOCK_TICK_MS))
      return { file: write(folder, module, bundle.bytes), installed: now.value.installed };
    // What was bundled is what it was for a moment: an editor was writing, or an edit was undone.
    if (tries > 1) return make(module, tries - 1);
    throw new CodeChanged(`${module} was edited while it was read, so it was not started`);
  };
  const versionsOf = (module: string, installed: Installed) =>
    versionChanges(root, installed, codes.get(module)!.packages);

  return async (module) => {
    const making = made.get(module) ?? make(module);
    made.set(module, making);
    const { file, installed } = await making;
    const stats = installedStats(root, installed);
    const packages = digestOf(stats);
    if (verified.get(module) !== packages) refuse(module, versionsOf(module, installed));
    verified.set(module, packages);
    return {
      file,
      packages,
      assets: Object.keys(codes.get(module)!.assets ?? {}).map((asset) => path.resolve(root, asset)),
      packagesSince() {
        const now = installedStats(root, installed);
        if (digestOf(now) === packages) return { kind: 'same' };
        const changed = versionsOf(module, installed);
        if (changed.length > 0) return { kind: 'changed', what: described(changed) };
        const again = reinstalled(installed, stats, now);
        return again.length > 0 ? { kind: 'reinstalled', what: again.join(', ') } : { kind: 'same' };
      },
    };
  };
}

function isStillSo(read: ReadonlyMap<string, Buffer>): boolean {
  try {
    return [...read].every(([file, bytes]) => readFileSync(file).equals(bytes));
  } catch {
    return false;
  }
}

function wereWritten(files: Iterable<string>, sinceMs: number): boolean {
  return [...files].some((file) => (statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? 0) >= sinceMs);
}

const digestOf = (stats: readonly string[]) => sha256(stats.join('\n'));

function write(folder: string, module: string, bytes: Uint8Array): string {
  const name = path.basename(module).replace(/\W+/g, '_');
  const file = path.join(folder, `${name}-${sha256(bytes).slice(0, 16)}.mjs`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, bytes);
  return file;
}

function refuse(module: string, changes: readonly Reason[]): void {
  if (changes.length === 0) return;
  throw new CodeChanged(
    `what ${module} is made of changed since this run began, so it was not started: ${described(changes)}`,
  );
}

const NAMED = 3;
const described = (changes: readonly Reason[]) => describeReasons(changes, NAMED);
