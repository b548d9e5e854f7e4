// What a node that gave way ran in its turns: a file beside its scratch folder, so that a later run knows it too.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { writeAtomically } from '../../cache/host/index.ts';
import type { Node } from '../model/node.ts';

/** What came before a node's turn, in this run and in earlier ones. */
export interface Earlier {
  readonly turns: number;
  readonly seconds: number;
  readonly warnings: readonly string[];
}

const NOTHING: Earlier = { turns: 0, seconds: 0, warnings: [] };

export function earlierTurns({ resources }: Node, scratch: string): Earlier {
  if (resources.preemptible === false) return NOTHING;
  try {
    return JSON.parse(readFileSync(fileOf(scratch), 'utf8')) as Earlier;
  } catch {
    return NOTHING; // It has not begun, or nobody knows how long it ran.
  }
}

export function noteTurn(scratch: string, earlier: Earlier): void {
  mkdirSync(path.dirname(scratch), { recursive: true });
  writeAtomically(fileOf(scratch), JSON.stringify(earlier));
}

export function forgetTurns(scratch: string): void {
  rmSync(fileOf(scratch), { force: true });
}

const fileOf = (scratch: string) => `${scratch}.turns.json`;
