// Tells of changes to watched files, when they have been still for a moment. Files are watched by the folders they lie
// in, so that an editor that writes a new file and renames it over the old one does not escape.
import path from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { Watched } from './files.ts';

export interface Watcher {
  /** Resolves when the system watches them. */
  look(watched: Watched): Promise<void>;
  close(): Promise<void>;
}

const STILL_MS = 150;

/** `onChange` gets the absolute paths that changed since the last call. */
export function createWatcher(onChange: (paths: ReadonlySet<string>) => void): Watcher {
  let watched: Watched = { files: new Set(), folders: new Set() };
  let system: FSWatcher | null = null;
  let looked = '';
  let changed = new Set<string>();
  let timer: NodeJS.Timeout | null = null;

  const matters = (file: string) =>
    watched.files.has(file) || [...watched.folders].some((folder) => file === folder || file.startsWith(`${folder}/`));
  const tell = () => {
    timer = null;
    const paths = changed;
    changed = new Set();
    onChange(paths);
  };
  const notice = (file: string) => {
    if (!matters(file)) return;
    changed.add(file);
    if (timer) clearTimeout(timer);
    timer = setTimeout(tell, STILL_MS);
  };
  return {
    async look(next) {
      watched = next;
      const key = JSON.stringify([[...next.files].sort(), [...next.folders].sort()]);
      if (key === looked) return;
      looked = key;
      const old = system;
      const places = new Set([...[...next.files].map((file) => path.dirname(file)), ...next.folders]);
      const needed = (file: string) =>
        matters(file) || [...places].some((place) => place === file || place.startsWith(`${file}/`));
      const fresh = watch([...places], { ignoreInitial: true, ignored: (file) => !needed(file) });
      fresh.on('all', (_, file) => notice(path.resolve(file)));
      system = fresh;
      await new Promise<void>((resolve) => fresh.once('ready', resolve));
      await old?.close();
    },
    async close() {
      if (timer) clearTimeout(timer);
      await system?.close();
    },
  };
}
