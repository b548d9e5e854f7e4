// The engine's floors, lowest first: what each room may import beside itself. Type imports count too. A row is of all files
// below its path that no longer path claims. `cache` is cache/index.ts.
export interface Floor {
  /** A folder, or one file. */
  readonly room: string;
  /** What it may know; for ARCHITECTURE.md. */
  readonly holds: string;
  readonly mayImport: readonly string[];
}

const WORDS = ['engine/task.ts', 'engine/model', 'engine/text', 'cache'];
const DECIDE = [...WORDS, 'engine/graph', 'engine/schedule', 'engine/plan'];
const TELL = ['engine/journal', 'engine/report', 'engine/picture'];

export const ENGINE_FLOORS: readonly Floor[] = [
  { room: 'engine/task.ts', holds: 'the task contract', mayImport: [] },
  { room: 'engine/text', holds: 'words for people, pure', mayImport: [] },
  { room: 'engine/model', holds: 'the words as plain data', mayImport: ['engine/task.ts', 'cache'] },
  { room: 'engine/graph', holds: 'who needs whom', mayImport: ['engine/model', 'engine/text'] },
  {
    room: 'engine/load',
    holds: 'pipeline.yml to nodes',
    mayImport: ['engine/task.ts', 'engine/model', 'engine/text', 'engine/graph'],
  },
  { room: 'engine/schedule', holds: 'when, where, who gives way: pure', mayImport: ['engine/model', 'engine/graph'] },
  { room: 'engine/state', holds: '.dag on disk', mayImport: ['engine/model', 'cache'] },
  { room: 'engine/plan', holds: 'key, verdict, reasons', mayImport: [...WORDS, 'engine/graph', 'engine/state'] },
  { room: 'engine/exec', holds: 'the contract of executors', mayImport: WORDS },
  { room: 'engine/exec/local', holds: 'processes of this machine', mayImport: [...WORDS, 'engine/exec'] },
  { room: 'engine/exec/child', holds: 'the far side', mayImport: [...WORDS, 'engine/exec'] },
  { room: 'engine/run', holds: 'acting on one run', mayImport: [...DECIDE, 'engine/state', 'engine/exec'] },
  { room: 'engine/journal', holds: 'the event stream on disk', mayImport: [...WORDS, 'engine/state', 'engine/plan'] },
  {
    room: 'engine/report',
    holds: 'the stream for a person',
    mayImport: ['engine/model', 'engine/text', 'engine/graph', 'engine/schedule', 'engine/state', 'cache'],
  },
  { room: 'engine/picture', holds: 'the graph drawn', mayImport: ['engine/model', 'engine/text'] },
  { room: 'engine/watch', holds: 'edits to what they reach', mayImport: [...DECIDE, 'engine/run'] },
  {
    room: 'engine/project',
    holds: 'use cases',
    mayImport: [
      ...DECIDE,
      'engine/load',
      'engine/state',
      'engine/exec',
      'engine/exec/local',
      'engine/run',
      'engine/journal',
      'engine/watch',
    ],
  },
  {
    room: 'engine/cli',
    holds: 'words in, exit code out',
    mayImport: [
      ...DECIDE,
      ...TELL,
      'engine/load',
      'engine/state',
      'engine/exec',
      'engine/exec/local',
      'engine/run',
      'engine/watch',
      'engine/project',
    ],
  },
];
