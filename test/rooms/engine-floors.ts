// The engine's rows of the table of floors, lowest first: a room (a folder with all beneath it that has no row of its own, or one
// file), the rooms above that it may import beside itself, and what it holds. Type imports count.

const CACHE = 'cache/index.ts';
const WORDS = `task.ts text model ${CACHE}`;
const DECIDE = `${WORDS} graph schedule state plan`;

export const ENGINE_ROWS: readonly (readonly [room: string, may: string, holds: string])[] = [
  ['task.ts', '', 'the task contract, the door for tasks'],
  ['text', '', 'words for people: units, columns, colours'],
  ['model', `task.ts ${CACHE}`, 'plain data: node, event, reason, record'],
  ['graph', 'text model', 'who needs whom: order, closure, selectors'],
  ['picture', 'text model', 'the graph drawn'],
  ['load', 'task.ts text model graph', 'pipeline.yml to nodes, or diagnostics'],
  ['schedule', 'model graph', 'pure: when, where, who gives way'],
  ['state', `model ${CACHE}`, '.dag on disk, but for the journal'],
  ['plan', `${WORDS} graph state`, 'code, key, verdict with its reasons'],
  ['exec', WORDS, 'the contract of executors'],
  ['exec/local', `${WORDS} exec`, 'processes of this machine, and its GPUs'],
  ['exec/child', `${WORDS} exec`, 'the far side: a module task, ctx.each'],
  ['run', `${DECIDE} exec`, 'acting on one run'],
  ['journal', `${WORDS} state plan`, 'the event stream on disk, and its readers'],
  ['report', `text model ${CACHE} graph schedule state`, 'the stream for a person'],
  ['watch', `${DECIDE} run`, 'edits, and what they reach'],
  ['project', `${DECIDE} load exec exec/local run journal watch`, 'use cases, for every front'],
  ['cli', `${DECIDE} load run journal report picture watch project`, 'words in, exit code out'],
];
