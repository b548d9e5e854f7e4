// The engine's rows of the table of floors, lowest first: a room (a folder with all beneath it that has no row of its own, or one
// file), the rooms above that it may import beside itself, and what it holds. Type imports count.

const CACHE = 'cache/index.ts';
const DECIDE = `model graph schedule state plan ${CACHE}`;

export const ENGINE_ROWS: readonly (readonly [room: string, may: string, holds: string])[] = [
  ['task.ts', '', 'the task contract, the door for tasks'],
  ['text', '', 'words for people: units, columns, colours'],
  ['model', `task.ts ${CACHE}`, 'plain data: node, event, reason, record'],
  ['graph', 'text model', 'who needs whom: order, closure, selectors'],
  ['picture', 'text model', 'the graph drawn'],
  ['load', 'task.ts text model graph', 'pipeline.yml to nodes, or diagnostics'],
  ['schedule', 'model graph', 'pure: when, where, who gives way'],
  ['state', `model ${CACHE}`, '.dag on disk, but for the journal'],
  ['plan', `task.ts model graph state ${CACHE}`, 'code, key, verdict with its reasons'],
  ['exec', `task.ts model ${CACHE}`, 'the contract of executors'],
  ['exec/local', `model exec ${CACHE}`, 'processes of this machine, and its GPUs'],
  ['exec/child', `task.ts model exec ${CACHE}`, 'the far side: a module task, ctx.each'],
  ['run', `${DECIDE} exec`, 'acting on one run'],
  ['journal', `model state plan ${CACHE}`, 'the event stream on disk, and its readers'],
  ['report', `text model graph schedule state ${CACHE}`, 'the stream for a person'],
  ['watch', `${DECIDE} run`, 'edits, and what they reach'],
  ['project', `text ${DECIDE} load exec exec/local run journal watch`, 'use cases, for every front'],
  ['cli', `text ${DECIDE} picture run journal report watch project`, 'words in, exit code out'],
];
