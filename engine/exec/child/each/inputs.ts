// The content digests of the files that items read, as the engine knew them when it made the node's key: read by folder from
// the trees in the cache's index, so that no input is opened or even statted.
import type { Cache, Entry } from '../../../../cache/index.ts';
import type { ModuleJob } from '../../protocol.ts';

export interface InputDigests {
  /** Role, path within it and digest of a file; `null` for the digest of a file that is not there. Throws for what is no input. */
  of(file: string): readonly [role: string, path: string, digest: string | null];
}

interface Root {
  readonly role: string;
  readonly path: string;
  readonly entry: Entry;
  files: ReadonlyMap<string, string> | null;
}

export function createInputs(
  inputs: ModuleJob['inputs'],
  entries: Readonly<Record<string, readonly Entry[]>>,
  cache: Cache,
): InputDigests {
  const roots = Object.entries(inputs).flatMap(([role, { items }]) =>
    items.map(({ path }, at): Root => ({ role, path, entry: entries[role]![at]!, files: null })),
  );
  let last = roots[0];
  return {
    of(file) {
      if (!last || !contains(last, file)) last = roots.find((root) => contains(root, file));
      if (!last) {
        throw new Error(
          `${file} is not within an input of the node: what an item reads must be declared by \`in:\` in pipeline.yml`,
        );
      }
      last.files ??= filesOf(last.entry, last.path, cache);
      const inner = file === last.path ? '' : file.slice(last.path.length + 1);
      return [last.role, inner, last.files.get(inner) ?? null];
    },
  };
}

function contains(root: Root, file: string): boolean {
  return file === root.path || (file.startsWith(root.path) && file[root.path.length] === '/');
}

function filesOf(entry: Entry, path: string, cache: Cache): Map<string, string> {
  const files = cache.files(entry);
  if (!files) throw new Error(`internal error: the contents of ${path} (${entry.digest}) are not in the index`);
  return new Map(files.map((file) => [file.path, file.digest]));
}
