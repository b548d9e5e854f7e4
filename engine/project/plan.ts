// What a run of the selected nodes would do and why, and how long it would take.
import type { Node } from '../model/node.ts';
import { type MissingSource, type Planned, plan } from '../plan/plan.ts';
import { GPU_COUNTS, type Makespan, machineWith, makespan } from '../schedule/makespan.ts';
import { usualSeconds } from '../state/records.ts';
import { executorOf } from './executor.ts';
import type { RunFlags } from './run.ts';
import { learn, type Session, selectNames, selectNodes } from './session.ts';

/** A plan is to come at once. */
const MOST_REHEARSED = 5000;

export interface PlanResult {
  readonly planned: readonly Planned[];
  /** Each path once. */
  readonly missing: readonly MissingSource[];
  /** Of the nodes' code: what of it is not in the key, or not as it is written. */
  readonly warnings: readonly string[];
}

export async function planSelected(
  session: Session,
  selectors: readonly string[],
  { force, only }: Pick<RunFlags, 'force' | 'only'> = {},
): Promise<PlanResult> {
  const { pipeline, cache } = session;
  const nodes = selectNodes(pipeline, selectors, only ?? false);
  const forced = new Set(force ? selectNames(pipeline, selectors, true) : []);
  const knowledge = await learn(session, nodes);
  const { planned, missing } = plan({ pipeline, nodes, forced, cache, ...knowledge });
  const warnings = new Set([...knowledge.codes.values()].flatMap((code) => code.warnings ?? []));
  const byPath = new Map(missing.toReversed().map((source) => [source.path, source]));
  return { planned, missing: [...byPath.values()].toReversed(), warnings: [...warnings] };
}

/** Of what has to run, where at least half of it has a measured or declared duration: here, and on machines with GPUs. */
export async function makespansOf(session: Session, planned: readonly Planned[]): Promise<Makespan[]> {
  const { pipeline, cache } = session;
  const nodes = planned.filter(({ state }) => state === 'stale').map(({ node }) => node);
  const usual = (node: Node) => usualSeconds(cache, node);
  const known = nodes.filter((node) => usual(node) !== null);
  if (nodes.length === 0 || nodes.length > MOST_REHEARSED || known.length < nodes.length / 2) return [];
  const wantsGpu = nodes.some(({ resources }) => resources.gpu > 0);
  const here = await executorOf(session).capacity({ jobs: null, gpus: null, pools: pipeline.pools, wantsGpu });
  const others = wantsGpu ? GPU_COUNTS.filter((count) => count !== here.gpus.length) : [];
  return [here, ...others.map((count) => machineWith(count, nodes, here))].map((capacity) =>
    makespan(nodes, usual, capacity),
  );
}
