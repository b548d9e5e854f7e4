// dag plan: what `dag run` would do and why, by the same verdicts, without running.

import { describeReasons } from '../../model/reason.ts';
import type { MissingSource, Planned } from '../../plan/plan.ts';
import { makespansOf, planSelected } from '../../project/plan.ts';
import { type CommonFlags, missingText, openSession, tellWarnings } from '../../project/session.ts';
import type { Makespan } from '../../schedule/makespan.ts';
import { duration } from '../../text/duration.ts';
import { bold, dim, green, yellow } from '../../text/style.ts';
import { EXIT } from '../exit.ts';

interface PlanFlags extends CommonFlags {
  readonly force?: boolean;
  readonly only?: boolean;
}

const REASONS_SHOWN = 3;

const WORDS = { fresh: 'fresh', restore: 'restore', stale: 'run' } as const;

export async function planCommand(selectors: readonly string[], flags: PlanFlags): Promise<number> {
  const session = openSession(flags);
  try {
    tellWarnings(session.pipeline);
    const { planned, missing, warnings } = await planSelected(session, selectors, flags);
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
        `${JSON.stringify({ schemaVersion: 1, nodes, missing: missing.map(({ path }) => path), makespans, warnings })}\n`,
      );
    } else printPlan(planned, missing, await makespansOf(session, planned));
    if (!flags.json) printWarnings(warnings);
    return EXIT.done; // The plan was told, and what is missing with it: `run` is who refuses.
  } finally {
    await session.cache.close();
  }
}

export function printWarnings(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`${yellow('!')} ${warning}\n`);
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
