// dag status: the state of every node, as text or as JSON for tools.

import path from 'node:path';
import { type LastFailure, lastFailures } from '../../journal/failures.ts';
import { runningNodes } from '../../journal/running.ts';
import { describeReasons } from '../../model/reason.ts';
import type { Planned } from '../../plan/plan.ts';
import { planSelected } from '../../project/plan.ts';
import { type CommonFlags, openSession } from '../../project/session.ts';
import { localTime } from '../../text/duration.ts';
import { bold, cyan, dim, green, red, yellow } from '../../text/style.ts';
import { EXIT } from '../exit.ts';
import { printWarnings } from './plan.ts';

export async function statusCommand(selectors: readonly string[], flags: CommonFlags): Promise<number> {
  const session = openSession(flags);
  try {
    const { planned, warnings } = await planSelected(session, selectors);
    const stale = planned.flatMap(({ node, state }) => (state === 'stale' ? [node.name] : []));
    const running = await runningNodes(session.places);
    const failures = lastFailures(
      session.places.journals,
      stale.filter((name) => !running.has(name)),
    );
    if (flags.json) {
      const nodes = planned.map((item) => statusOf(item, failures.get(item.node.name), running));
      process.stdout.write(`${JSON.stringify({ schemaVersion: 1, nodes, warnings })}\n`);
    } else {
      printStatus(planned, failures, running, session.pipeline.root);
      printWarnings(warnings);
    }
    return EXIT.done;
  } finally {
    await session.cache.close();
  }
}

/** Names of nodes to when they were started. */
type Running = ReadonlyMap<string, string>;

function statusOf({ node, state, reasons }: Planned, failure: LastFailure | undefined, running: Running) {
  return {
    name: node.name,
    task: node.task,
    axes: node.axes,
    state: state === 'fresh' ? 'fresh' : 'stale',
    restorable: state === 'restore',
    running: running.has(node.name),
    reasons,
    failure: failure ?? null,
    outputs: Object.fromEntries(node.outputs.map(({ name, path }) => [name, path])),
  };
}

function printStatus(
  planned: readonly Planned[],
  failures: ReadonlyMap<string, LastFailure>,
  running: Running,
  root: string,
): void {
  const width = planned.reduce((widest, { node }) => Math.max(widest, node.name.length), 0);
  for (const { node, state, reasons } of planned) {
    const since = running.get(node.name);
    const why = since === undefined ? describeReasons(reasons, 1) : `since ${localTime(since)}`;
    const word = since === undefined ? WORDS[state] : cyan('running');
    process.stdout.write(`${word} ${node.name.padEnd(width)}  ${dim(why)}`.trimEnd().concat('\n'));
    const failure = failures.get(node.name);
    if (failure) process.stdout.write(`${failureLine(failure, root)}\n`);
  }
  const fresh = planned.filter(({ state }) => state === 'fresh').length;
  process.stdout.write(`${bold(`${fresh} of ${planned.length} fresh`)}\n`);
}

const WORDS = { fresh: green('fresh  '), restore: yellow('restore'), stale: yellow('stale  ') } as const;

function failureLine({ at, message, log }: LastFailure, root: string): string {
  const file = log === null ? '' : dim(`; log: ${path.relative(process.cwd(), path.resolve(root, log))}`);
  return `        ${red(`failed ${localTime(at)}: ${message.split('\n')[0]}`)}${file}`;
}
