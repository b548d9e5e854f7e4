// Who gives way, and to whom: pure. A preemptible node keeps its progress, so its slots may go to a node that waits and cannot
// wait longer: one whose path takes all the time that the run is still expected to last. Whatever fills the slots until then,
// to start such nodes in time is enough for the shortest run that there is (with slots all alike and durations known; with
// t the time left, no more than the m slots' number of nodes can need all of t, since all together need at most m·t), and
// it moves each node hardly ever. Where the expected time cannot be kept, the rule becomes "the most work left goes first".
// A turn lasts a while at least, and a node gives way only to one that has so much more left: moves cost time too.
import type { Node } from '../model/node.ts';
import type { Slots } from './slots.ts';
import type { Turn, Turns } from './turns.ts';

export interface YieldRequest {
  readonly node: Node;
  readonly to: Node;
}

export interface Scene {
  /** Nodes that wait for slots, of each kind those that start first. */
  readonly waiting: Iterable<Node>;
  /** Running nodes that may be asked. */
  readonly askable: readonly Turn[];
  readonly turns: Turns;
  readonly slots: Slots;
  /** Seconds that the run is expected to last. */
  readonly leftSeconds: number;
  readonly now: number;
}

export interface Advice {
  readonly requests: readonly YieldRequest[];
  /** When there may be more to say, if nothing else happens before; null: never. */
  readonly againInSeconds: number | null;
}

const SHORTEST_TURN_SECONDS = 600;
const SHORTEST_TURN_SHARE = 0.02;
/** Of the shortest turn, before the next look: a wait for a node that overran its time does not get shorter, however often one looks. */
const PATIENCE = 0.05;

export function adviseYields(scene: Scene): Advice {
  const requests: YieldRequest[] = [];
  let again = Number.POSITIVE_INFINITY;
  const asked = new Set<Turn>();
  for (const node of scene.waiting) {
    if (scene.slots.fits(node.resources, [])) continue;
    const willing = scene.askable
      .filter((turn) => !asked.has(turn))
      .map((turn) => ({ turn, in: waitFor(scene, node, turn) }));
    const now = willing.filter((one) => one.in <= 0).map(({ turn }) => turn);
    for (const turn of enough(scene, node, now)) {
      asked.add(turn);
      requests.push({ node: turn.node, to: node });
    }
    for (const one of willing)
      if (one.in > 0)
        again = Math.min(again, Math.max(one.in, shortestTurn(one.turn.node, scene.turns, scene.now) * PATIENCE));
  }
  return { requests, againInSeconds: Number.isFinite(again) ? again : null };
}

/** Seconds after which the turn may be ended for the node. */
function waitFor({ turns, leftSeconds, now }: Scene, node: Node, turn: Turn): number {
  const path = turns.pathLeft(node.name, now);
  const shortest = shortestTurn(turn.node, turns, now);
  return Math.max(
    leftSeconds - path,
    shortest - (path - turns.pathLeft(turn.node.name, now)),
    shortest - (now - turn.since),
  );
}

export function shortestTurn({ name, resources }: Node, turns: Turns, now: number): number {
  if (typeof resources.preemptible === 'number') return resources.preemptible;
  const whole = turns.ran(name, now) + turns.left(name, now);
  return Math.max(SHORTEST_TURN_SECONDS, whole * SHORTEST_TURN_SHARE);
}

/** The one turn with least left that makes room for the node, else the first few that do together; none where all do not. */
function enough({ turns, slots, now }: Scene, node: Node, willing: readonly Turn[]): readonly Turn[] {
  const byLeft = [...willing].sort((a, b) => turns.pathLeft(a.node.name, now) - turns.pathLeft(b.node.name, now));
  const one = byLeft.find((turn) => slots.fits(node.resources, [turn]));
  if (one) return [one];
  const several = byLeft.map((_, at) => byLeft.slice(0, at + 1));
  return several.find((some) => slots.fits(node.resources, some)) ?? [];
}
