// dag status: the state of every node, as text or as JSON for tools.
import type { Planned } from '../plan/plan.ts';
import { describeReasons } from '../plan/reason.ts';
import { EXIT } from './failure.ts';
import { planSelected } from './plan.ts';
import { type CommonFlags, openSession } from './session.ts';
import { bold, dim, green, yellow } from './style.ts';

export async function statusCommand(selectors: readonly string[], flags: CommonFlags): Promise<number> {
  const session = openSession(flags);
  try {
    const { planned } = await planSelected(session, selectors);
    if (flags.json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, nodes: planned.map(statusOf) })}\n`);
    else printStatus(planned);
    return EXIT.done;
  } finally {
    await session.cache.close();
  }
}

function statusOf({ node, state, reasons }: Planned) {
  return {
    name: node.name,
    task: node.task,
    axes: node.axes,
    state: state === 'fresh' ? 'fresh' : 'stale',
    restorable: state === 'restore',
    reasons,
    outputs: Object.fromEntries(node.outputs.map(({ name, path }) => [name, path])),
  };
}

function printStatus(planned: readonly Planned[]): void {
  const width = Math.max(...planned.map(({ node }) => node.name.length), 0);
  for (const { node, state, reasons } of planned) {
    const word = state === 'fresh' ? green('fresh  ') : state === 'restore' ? yellow('restore') : yellow('stale  ');
    const why = dim(describeReasons(reasons, 1));
    process.stdout.write(`${word} ${node.name.padEnd(width)}  ${why}`.trimEnd().concat('\n'));
  }
  const fresh = planned.filter(({ state }) => state === 'fresh').length;
  process.stdout.write(`${bold(`${fresh} of ${planned.length} fresh`)}\n`);
}
