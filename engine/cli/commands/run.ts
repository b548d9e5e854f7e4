// dag run: build what is stale among the selected nodes.
import path from 'node:path';
import type { Code } from '../../model/ingredients.ts';
import type { Node } from '../../model/node.ts';
import { codeFiles } from '../../plan/code/digest.ts';
import { type RunFlags, runSelected } from '../../project/run.ts';
import { openSession, type Session } from '../../project/session.ts';
import { estimatorFor } from '../../report/estimate.ts';
import { terminalReport } from '../../report/terminal.ts';
import type { Outcome, Run } from '../../run/run.ts';
import { lastLines } from '../../state/logs.ts';
import type { NoopAnswer } from '../../state/noop.ts';
import type { Followed } from '../../watch/follow.ts';
import { EXIT } from '../exit.ts';
import { onSignals } from '../signals.ts';
import { leaveNoop } from './noop.ts';

export async function runCommand(selectors: readonly string[], flags: RunFlags): Promise<number> {
  const startedMs = Date.now();
  const session = openSession(flags);
  let outcome: Outcome;
  let seen: Seen | null = null;
  try {
    outcome = await runOnTerminal(session, selectors, flags, {
      onStart(nodes) {
        seen = {
          nodes,
          files: [...codeFiles(session.pipeline.root, nodes, session.cache), path.join(session.cache.dir, 'index.mdb')],
        };
      },
    });
    if (flags.json) process.stdout.write(`${JSON.stringify(outcome.summary)}\n`);
  } finally {
    await session.cache.close();
  }
  if (seen) leaveNoop(selectors, flags, { startedMs, summary: outcome.summary, ...(seen as Seen) });
  return exitCode(outcome);
}

type Seen = Pick<NoopAnswer, 'nodes' | 'files'>;

interface TerminalHooks {
  readonly mayBeEdited?: boolean;
  /** With what the nodes' code is in this run. */
  onStart(nodes: readonly Node[], codes: ReadonlyMap<string, Code>, run: Followed): void;
}

/** A run that is shown on the terminal, and that Ctrl-C stops. */
export async function runOnTerminal(
  session: Session,
  selectors: readonly string[],
  flags: RunFlags,
  { mayBeEdited = false, onStart }: TerminalHooks,
): Promise<Outcome> {
  let nodes: readonly Node[] = [];
  const terminal = terminalReport({
    stream: process.stderr,
    tail: lastLines,
    estimate: (names, capacity) => estimatorFor(session.cache, nodes, names, capacity),
  });
  const say = (message: string) => terminal.on({ type: 'note', message });
  let restore = () => {};
  const begin = (all: readonly Node[], codes: ReadonlyMap<string, Code>, run: Run) => {
    nodes = all;
    onStart(nodes, codes, { say, edit: run.edit });
    restore = onSignals(run.stop, say);
  };
  return await runSelected(session, selectors, flags, {
    mayBeEdited,
    sinks: [terminal],
    onStart: begin,
  }).finally(() => restore());
}

/** Wrong data is 2 where nothing else went wrong; a program that failed is 1. */
function exitCode({ interrupted, failures }: Outcome): number {
  if (interrupted) return EXIT.interrupted;
  if (failures.length === 0) return EXIT.done;
  return failures.every(({ kind }) => kind === 'input') ? EXIT.usage : EXIT.failed;
}
