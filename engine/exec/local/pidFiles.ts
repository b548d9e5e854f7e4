// A note for each process that is started: `.dag/running/PID`, so that when the engine is killed, the next run finds what it left
// behind (`orphans.ts`). Each leads a process group of its own.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { identify, type ProcessId, processOf } from '../../../cache/index.ts';

export interface PidFile {
  readonly child: ProcessId;
  readonly engine: ProcessId;
}

export interface PidFiles {
  add(child: ChildProcess): void;
  /** What still runs is about to end by itself. */
  clear(): void;
}

export const noPidFiles: PidFiles = { add() {}, clear() {} };

export function pidFilesIn(folder: string): PidFiles {
  const files = new Set<string>();
  const remove = (file: string) => {
    if (files.delete(file)) rmSync(file, { force: true });
  };
  return {
    add(process) {
      if (process.pid === undefined) return;
      const file = path.join(folder, String(process.pid));
      const note: PidFile = { child: processOf(process.pid), engine: identify() };
      try {
        if (files.size === 0) mkdirSync(folder, { recursive: true });
        files.add(file);
        writeFileSync(file, JSON.stringify(note));
      } catch {
        // A full disk, say. It runs already, and is needed only if we are killed.
      }
      process.once('exit', () => remove(file));
    },
    clear: () => [...files].forEach(remove),
  };
}
