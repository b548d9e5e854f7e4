// dag plan: what `dag run` would do and why, by the same verdicts, without running.
import { type Planned, plan } from '../plan/plan.ts';
import { describeReasons } from '../plan/reason.ts';
import { EXIT } from './failure.ts';
import { type CommonFlags, learn, openSession, type Session, selectNames, selectNodes } from './session.ts';
import { bold, dim, green, yellow } from './style.ts';

interface PlanFlags extends CommonFlags {
  readonly force?: boolean;
  readonly only?: boolean;
}

const REASONS_SHOWN = 3;
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
      process.stdout.write(`${JSON.stringify({ schemaVersion: 1, nodes, missing })}\n`);
    } else printPlan(planned, missing);
    return EXIT.done;
  } finally {
    await session.cache.close();
  }
}

export interface PlanResult {
  readonly planned: readonly Planned[];
  /** Paths of source files and folders that do not exist (yet). */
  readonly missing: readonly string[];
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
  return { planned, missing: [...new Set(missing.map(({ path }) => path))] };
}

function printPlan(planned: readonly Planned[], missing: readonly string[]): void {
  const out = (line: string) => process.stdout.write(`${line}\n`);
  for (const item of planned) if (item.state !== 'fresh') out(planLine(item));
  const count = (state: Planned['state']) => planned.filter((item) => item.state === state).length;
  out(bold(`${count('stale')} to run, ${count('restore')} to restore, ${count('fresh')} fresh`));
  for (const file of missing) out(yellow(`the input ${file} does not exist: \`dag run\` will refuse to start`));
}

function planLine({ node, state, reasons }: Planned): string {
  const word = state === 'restore' ? green(WORDS[state].padEnd(7)) : yellow(WORDS[state].padEnd(7));
  return `${word} ${node.name}  ${dim(describeReasons(reasons, REASONS_SHOWN))}`;
}
