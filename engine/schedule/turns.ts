// How long nodes have run, over all their turns, and how long they are still expected to. Told the time in seconds, it asks no
// clock: a run and its rehearsal keep the same book.
import type { Node } from '../model/node.ts';
import type { Allotment } from '../model/resources.ts';

/** A node on its slots. */
export interface Turn {
  readonly node: Node;
  readonly allotment: Allotment;
  readonly since: number;
}

export interface Turns {
  begin(node: Node, allotment: Allotment, now: number): void;
  end(name: string, now: number): void;
  /** What a node ran before this run. */
  credit(name: string, seconds: number): void;
  running(): readonly Turn[];
  /** Names of nodes that have run for a while, and may run on. */
  begun(): Iterable<string>;
  /** The node is done, or will not run on. */
  forget(name: string): void;
  ran(name: string, now: number): number;
  /** Seconds that the node itself still needs. */
  left(name: string, now: number): number;
  /** And the longest path behind it. */
  pathLeft(name: string, now: number): number;
}

/** A node that overran its expected time is taken to be nearly done, not done. */
const NEARLY = 0.05;

/** `seconds`: expected by node; `paths`: from the start of each node to the end of all that waits for it. */
export function createTurns(seconds: ReadonlyMap<string, number>, paths: ReadonlyMap<string, number>): Turns {
  const running = new Map<string, Turn>();
  const earlier = new Map<string, number>();

  const ran = (name: string, now: number) => {
    const turn = running.get(name);
    return (earlier.get(name) ?? 0) + (turn ? now - turn.since : 0);
  };
  const left = (name: string, now: number) => {
    const whole = seconds.get(name)!;
    return Math.max(whole - ran(name, now), whole * NEARLY);
  };
  return {
    begin: (node, allotment, now) => void running.set(node.name, { node, allotment, since: now }),
    end(name, now) {
      earlier.set(name, ran(name, now));
      running.delete(name);
    },
    credit: (name, spent) => void earlier.set(name, spent),
    running: () => [...running.values()],
    begun: () => new Set([...earlier.keys(), ...running.keys()]),
    forget: (name) => void earlier.delete(name),
    ran,
    left,
    pathLeft: (name, now) => left(name, now) + paths.get(name)! - seconds.get(name)!,
  };
}
