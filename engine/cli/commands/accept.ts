// dag accept NODE --reason TEXT: records that a change of code leaves results valid. All named nodes, or none.
import { userInfo } from 'node:os';
import { acquireLock, type Entry, type Write } from '../../../cache/index.ts';
import { journalAlone } from '../../journal/write.ts';
import type { Node } from '../../model/node.ts';
import { describeReason } from '../../model/reason.ts';
import { type Accepted, accept } from '../../plan/accept.ts';
import { type Assessment, assess, type PlanContext } from '../../plan/assess.ts';
import { outputsOnDisk } from '../../plan/plan.ts';
import {
  type CommonFlags,
  learn,
  openSession,
  type Session,
  selectNames,
  selectNodes,
  waitingFor,
} from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import { bold, dim } from '../../text/style.ts';
import { EXIT } from '../exit.ts';

interface AcceptFlags extends CommonFlags {
  readonly reason?: string;
}

export async function acceptCommand(selectors: readonly string[], flags: AcceptFlags): Promise<number> {
  const reason = flags.reason?.trim() ?? '';
  if (reason === '')
    throw new UsageError("say why the results stay valid: dag accept NODE --reason 'only the log text changed'");
  const session = openSession(flags);
  const lock = await acquireLock(session.places.lock, { onWait: waitingFor });
  try {
    const accepted = await acceptAll(session, selectors, reason);
    if (flags.json)
      process.stdout.write(
        `${JSON.stringify({ schemaVersion: 1, accepted: accepted.map(({ name, acceptance }) => ({ name, ...acceptance })) })}\n`,
      );
    else for (const item of accepted) process.stderr.write(`${lines(item.name, item.acceptance).join('\n')}\n`);
    return EXIT.done;
  } finally {
    lock.release();
    await session.cache.close();
  }
}

type Named = Accepted & { readonly name: string };

/** In an order in which they could run: a node is judged with the results of those before it accepted. */
async function acceptAll(session: Session, selectors: readonly string[], reason: string): Promise<Named[]> {
  const { pipeline, cache, places } = session;
  const named = new Set(selectNames(pipeline, selectors, true));
  const nodes = selectNodes(pipeline, selectors, false);
  const known = new Map<string, Readonly<Record<string, Entry>>>();
  const context: PlanContext = {
    root: pipeline.root,
    cache,
    ...(await learn(session, nodes)),
    outputsOf: (name) => known.get(name) ?? outputsOnDisk({ pipeline, cache }, name),
  };
  const at = new Date();
  const request = { reason, by: userInfo().username, at };
  const accepted: Named[] = [];
  for (const node of nodes) {
    const assessment = assessed(node, context);
    const { verdict } = assessment;
    if (verdict.state !== 'stale') {
      known.set(node.name, verdict.record.outputs);
      if (!named.has(node.name) || named.size > 1) continue;
    } else if (!named.has(node.name)) {
      const why = verdict.reasons.map((one) => `\n  ${describeReason(one)}`).join('');
      throw new UsageError(
        `${node.name}, which is needed before, is stale itself:${why}\n  run it, or accept it first`,
      );
    }
    const result = accept(node, assessment, cache, request);
    if (!result.ok) throw new UsageError(`${result.error.message}\n  ${result.error.hint}`);
    known.set(node.name, result.value.record.outputs);
    accepted.push({ name: node.name, ...result.value });
  }
  if (accepted.length === 0)
    throw new UsageError(`${selectors.join(' ')}: every node has a result for its present code`);
  const writes: Write[] = accepted.flatMap((item) => item.writes);
  await cache.commit(writes);
  journalAlone(
    places.journals,
    accepted.map(({ name, acceptance }) => ({ type: 'node-accepted', node: name, acceptance })),
    at,
  );
  return accepted;
}

function assessed(node: Node, context: PlanContext): Assessment {
  const result = assess(node, context, false);
  if (result.ok) return result.value;
  const missing = result.error.map(({ path }) => path).join(', ');
  throw new UsageError(`${node.name}: its input ${missing} does not exist, so nothing can be said of its result`);
}

function lines(name: string, { changes, reason }: Accepted['acceptance']): string[] {
  return [`${bold(name)} keeps its result: ${reason}`, ...changes.map((change) => dim(`  ${describeReason(change)}`))];
}
