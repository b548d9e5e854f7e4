// dag plan: what `dag run` would do and why, by the same verdicts, without running.
import { machineCapacity } from '../../exec/local/machine.ts';
import type { Node } from '../../model/node.ts';
import { describeReasons } from '../../model/reason.ts';
import { type MissingSource, type Planned, plan } from '../../plan/plan.ts';
import {
  type CommonFlags,
  learn,
  missingText,
  openSession,
  type Session,
  selectNames,
  selectNodes,
} from '../../project/session.ts';
import { GPU_COUNTS, type Makespan, machineWith, makespan } from '../../schedule/makespan.ts';
import { stateOf } from '../../state/records.ts';
import { duration } from '../../text/duration.ts';
import { bold, dim, green, yellow } from '../../text/style.ts';
import { EXIT } from '../exit.ts';

interface PlanFlags extends CommonFlags {
  readonly force?: boolean;
  readonly only?: boolean;
}

const REASONS_SHOWN = 3;
/** A plan is to come at once. */
const MOST_REHEARSED = 5000;
const WORDS = { fresh: 'fresh', restore: 'restore', stale: 'run' } as const;

export async function planCommand(selectors: readonly string[], flags: PlanFlags): Promise<number> {
  const session = openSession(flags);
  try {
    const { planned, missing } = await planSelected(session, selectors, flags);
    if (flags.json) {
      const nodes = planned.map(({ node, state, reasons }) => ({
        name: node.name,
        task: node.task,
        axes: node.axes,
        action: WORDS[state],
        reasons,
      }));
      const makespans = await makespansOf(session, planned);
      process.stdout.write(
        `${JSON.stringify({ schemaVersion: 1, nodes, missing: missing.map(({ path }) => path), makespans })}\n`,
      );
    } else printPlan(planned, missing, await makespansOf(session, planned));
    return EXIT.done; // The plan was told, and what is missing with it: `run` is who refuses.
  } finally {
    await session.cache.close();
  }
}

export interface PlanResult {
  readonly planned: readonly Planned[];
  /** Each path once. */
  readonly missing: readonly MissingSource[];
}

export async function planSelected(
  session: Session,
  selectors: readonly string[],
  { force, only }: Pick<PlanFlags, 'force' | 'only'> = {},
): Promise<PlanResult> {
  const { pipeline, cache } = session;
  const nodes = selectNodes(pipeline, selectors, only ?? false);
  const forced = new Set(force ? selectNames(pipeline, selectors, true) : []);
  const { planned, missing } = plan({ pipeline, nodes, forced, cache, ...(await learn(session, nodes)) });
  const byPath = new Map(missing.toReversed().map((source) => [source.path, source]));
  return { planned, missing: [...byPath.values()].toReversed() };
}

/** Of what has to run, where at least half of it has a measured or declared duration: here, and on machines with GPUs. */
async function makespansOf({ pipeline, cache }: Session, planned: readonly Planned[]): Promise<Makespan[]> {
  const nodes = planned.filter(({ state }) => state === 'stale').map(({ node }) => node);
  const usual = (node: Node) => stateOf(cache, node.name)?.seconds ?? node.durationSeconds;
  const known = nodes.filter((node) => usual(node) !== null);
  if (nodes.length === 0 || nodes.length > MOST_REHEARSED || known.length < nodes.length / 2) return [];
  const wantsGpu = nodes.some(({ resources }) => resources.gpu > 0);
  const here = await machineCapacity({ jobs: null, gpus: null, pools: pipeline.pools, wantsGpu });
  const others = wantsGpu ? GPU_COUNTS.filter((count) => count !== here.gpus.length) : [];
  return [here, ...others.map((count) => machineWith(count, nodes, here))].map((capacity) =>
    makespan(nodes, usual, capacity),
  );
}

function makespanLine({ gpus, cores, seconds, boundSeconds, moves }: Makespan, isHere: boolean): string {
  const machine = `${gpus === 0 ? '' : `${gpus} ${gpus === 1 ? 'GPU' : 'GPUs'}, `}${cores} ${cores === 1 ? 'core' : 'cores'}`;
  const where = isHere ? `here (${machine})` : `with ${machine}`;
  const moved = moves === 0 ? '' : `; nodes give way ${moves === 1 ? 'once' : `${moves} times`} meanwhile`;
  return `about ${duration(seconds)} ${where}${dim(`; no schedule beats ${duration(boundSeconds)}${moved}`)}`;
}

function printPlan(
  planned: readonly Planned[],
  missing: readonly MissingSource[],
  makespans: readonly Makespan[],
): void {
  const out = (line: string) => process.stdout.write(`${line}\n`);
  for (const item of planned) if (item.state !== 'fresh') out(planLine(item));
  const count = (state: Planned['state']) => planned.filter((item) => item.state === state).length;
  out(bold(`${count('stale')} to run, ${count('restore')} to restore, ${count('fresh')} fresh`));
  for (const [at, found] of makespans.entries()) out(makespanLine(found, at === 0));
  if (missing.length > 0) process.stderr.write(`${missingText(missing)}\n`);
}

function planLine({ node, state, reasons }: Planned): string {
  const word = state === 'restore' ? green(WORDS[state].padEnd(7)) : yellow(WORDS[state].padEnd(7));
  return `${word} ${node.name}  ${dim(describeReasons(reasons, REASONS_SHOWN))}`;
}
