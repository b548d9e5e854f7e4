// What a watch looks at: the pipeline's file, every file that its modules are made of, and small source inputs. Big
// folders of data are left alone: a watch costs one handle of the system a file.
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Cache } from '../../cache/index.ts';
import type { Node, Pipeline } from '../model/node.ts';

export interface Watched {
  /** Absolute paths of files, which need not be there. */
  readonly files: ReadonlySet<string>;
  /** Absolute paths of folders, whole. */
  readonly folders: ReadonlySet<string>;
}

const SMALL_FOLDER = 200;
const LOCK_FILE = 'package-lock.json';

/** `modulesRead`: by module, the files that were read for its code; absolute. */
export function filesToWatch(
  pipeline: Pipeline,
  nodes: readonly Node[],
  modulesRead: ReadonlyMap<string, readonly string[]>,
  cache: Cache,
): Watched {
  const files = new Set([pipeline.file, path.join(pipeline.root, LOCK_FILE)]);
  const folders = new Set<string>();
  // What might come to lie in folders above the project is not worth to watch them.
  const isNear = (file: string) => file.startsWith(`${pipeline.root}/`) || existsSync(file);
  for (const { action, inputs } of nodes) {
    if (action.kind === 'module') {
      files.add(path.resolve(pipeline.root, action.path));
      // A folder is what a pattern in an import means.
      for (const file of (modulesRead.get(action.path) ?? []).filter(isNear))
        (cache.scan(file)?.kind === 'folder' ? folders : files).add(file);
    }
    for (const source of inputs.flatMap(({ sources }) => sources)) {
      if (source.producer) continue;
      const place = path.resolve(pipeline.root, source.path);
      const entry = cache.scan(place);
      if (entry?.kind === 'folder' && entry.files <= SMALL_FOLDER) folders.add(place);
      else if (entry?.kind !== 'folder') files.add(place);
    }
  }
  return { files, folders };
}
