// Who may import whom: the whole rule. A row is a room: a folder with all beneath it that has no row of its own, or one file.
// It may import itself and the rooms that its row names, which all stand above it: so there is no circle. Type imports count.
// The picture in ARCHITECTURE.md is made of this table (`npx vitest run test/rooms.test.ts -u`).

export interface Floor {
  readonly room: string;
  /** Rooms above. */
  readonly mayImport: readonly string[];
  /** For the picture. */
  readonly holds: string;
}

/** Names are of the house, unless they name another. */
function roomsOf(house: string, rows: readonly (readonly [room: string, may: string, holds: string])[]): Floor[] {
  const full = (name: string) =>
    /^(?:cache|engine|tasks)\//.test(name) ? name : name === '.' ? house : `${house}/${name}`;
  return rows.map(([room, may, holds]) => ({
    room: full(room),
    mayImport: may.split(' ').filter(Boolean).map(full),
    holds,
  }));
}

export const CACHE = roomsOf('cache', [
  ['types.ts', '', 'digests, entries, counters'],
  ['errors.ts', 'types.ts', 'what a caller handles'],
  ['host', 'types.ts errors.ts', 'this machine: processes, locks, stats, links, syncs'],
  ['host/index.ts', 'host', 'the second door: locks and processes, without LMDB'],
  ['hash', 'types.ts host', 'bytes, values and folders to digests'],
  ['db', 'types.ts host hash', 'the index: LMDB, and its damage'],
  ['store', 'types.ts errors.ts host hash db', 'bytes and trees by digest, on this disk'],
  ['scan', 'types.ts errors.ts host hash db', 'what lies at a path now: the stat cache'],
  ['artifact', 'types.ts errors.ts host hash db store scan', 'between work tree and store'],
  ['index.ts', 'types.ts errors.ts host hash db store scan artifact', 'the door'],
]);

/** What the engine may import of the cache. */
const DOORS = 'cache/index.ts cache/host/index.ts';

/** What a room knows that decides what is stale. */
const DECIDE = `model graph schedule state plan ${DOORS}`;

export const ENGINE = roomsOf('engine', [
  ['task.ts', '', 'the task contract, the door for tasks'],
  ['text', '', 'words for people: units, columns, colours'],
  ['model', `task.ts ${DOORS}`, 'plain data: node, event, reason, record'],
  ['graph', 'text model', 'who needs whom: order, closure, selectors'],
  ['picture', 'text model', 'the graph drawn'],
  ['load', 'task.ts text model graph', 'pipeline.yml to nodes, or diagnostics'],
  ['schedule', 'model graph', 'pure: when, where, who gives way'],
  ['state', `model ${DOORS}`, '.dag on disk, but for the journal'],
  ['plan', `task.ts model graph state ${DOORS}`, 'code, key, verdict with its reasons'],
  ['exec', `task.ts model ${DOORS}`, 'the contract of executors'],
  ['exec/local', `model exec ${DOORS}`, 'processes of this machine, and its GPUs'],
  ['exec/child', `task.ts model exec ${DOORS}`, 'the far side: a module task, ctx.each'],
  ['run', `${DECIDE} exec`, 'acting on one run'],
  ['journal', `model state plan ${DOORS}`, 'the event stream on disk, and its readers'],
  ['report', `text model graph schedule state ${DOORS}`, 'the stream for a person'],
  ['watch', `${DECIDE} run`, 'edits, and what they reach'],
  ['project', `text ${DECIDE} load exec exec/local run journal watch`, 'use cases, for every front'],
  ['cli', `text ${DECIDE} picture run journal report watch project`, 'words in, exit code out'],
]);

/** Learning's rooms in the order of computation: each may import those before it. */
const learning = [
  'random.ts',
  'graph',
  'ops',
  'models',
  'weights',
  'stepper.ts',
  'onnx',
  'tfjs',
  'device',
  'loader',
  'training',
];
const LEARNING = learning.map((room) => `learning/${room}`).join(' ');
const before = (room: string) => LEARNING.slice(0, LEARNING.indexOf(`learning/${room}`));
const WORDS = 'classes.ts metrics.ts tables';

export const TASKS = roomsOf('tasks', [
  ['classes.ts', '', 'the classes of bleeding, and their weights'],
  ['metrics.ts', 'classes.ts', 'log loss, AUC'],
  ['tables', 'classes.ts', 'CSV, Parquet, JSON; labels and predictions'],
  ['dicom/codecs', '', 'compressed pixels'],
  ['dicom', 'dicom/codecs tables', 'headers, pixels, transfer syntaxes, a writer'],
  ['phantom', 'dicom', 'drawn studies'],
  ['metadata', 'dicom tables', 'the headers of a folder, and its card'],
  ['imaging', 'dicom tables', 'Hounsfield units, windows, the head, PNGs'],
  ['folds', 'classes.ts tables', 'who is in which fold, and who may not be'],
  ['learning/random.ts', '', 'seeded streams'],
  ['learning/graph', before('graph'), 'nodes with static shapes'],
  ['learning/ops', before('ops'), 'operations and their gradients'],
  ['learning/models', before('models'), 'networks'],
  ['learning/weights', `${before('weights')} tables`, 'weights from elsewhere'],
  ['learning/stepper.ts', before('stepper'), 'what a device does: one step'],
  ['learning/onnx', before('onnx'), 'it, lowered to ONNX Runtime'],
  ['learning/tfjs', before('tfjs'), 'it, lowered to TensorFlow.js'],
  ['learning/device', `${before('device')} tables`, 'the choice of a device'],
  ['learning/loader', `${before('loader')} tables`, 'images, decoded and warped on threads'],
  ['learning/training', `${before('training')} ${WORDS}`, 'the loop, checkpoints, predictions'],
  ['learning', LEARNING, 'parity with another implementation'],
  ['statistics', 'learning/random.ts classes.ts metrics.ts', 'combining, stacking, the bootstrap'],
  ['smoothing', `${WORDS} statistics`, 'along the axis of a series'],
  ['inference', 'classes.ts tables statistics', 'what an earlier run left to predict with'],
  ['submission', 'classes.ts tables', 'the file that is handed in'],
  ['plots', 'metrics.ts', 'charts, by Vega'],
  ['report', `${WORDS} dicom imaging statistics smoothing plots`, 'the page'],
  [
    '.',
    `${WORDS} dicom phantom metadata imaging folds ${LEARNING} statistics smoothing inference submission plots report`,
    'a file a task: declare, call, write',
  ],
]);

/** What tasks may import of the engine, and the engine of the cache: doors. */
export const FLOORS: readonly Floor[] = [
  ...CACHE,
  ...ENGINE,
  ...TASKS.map((row) => ({ ...row, mayImport: [...row.mayImport, 'engine/task.ts'] })),
];
