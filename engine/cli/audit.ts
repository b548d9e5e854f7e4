// dag verify --rerun: does running a node again make the same bytes? Named nodes run once more in scratch, one after
// another, with what the machine has.
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { Entry } from '../../cache/index.ts';
import { type AuditOutcome, rerunNode } from '../audit/rerun.ts';
import type { Node } from '../graph/node.ts';
import { type Assessment, assess } from '../plan/assess.ts';
import { outputsOnDisk } from '../plan/plan.ts';
import { describeReasons } from '../plan/reason.ts';
import { duration } from '../report/time.ts';
import { createBundles } from '../run/bundles.ts';
import { machineCapacity } from '../run/capacity.ts';
import { type Capacity, createSlots } from '../run/slots.ts';
import { createStopper } from '../run/stopper.ts';
import type { NodeRecord } from '../state/record.ts';
import { EXIT, UsageError } from './failure.ts';
import { tailOf } from './run.ts';
import { type CommonFlags, type Knowledge, learn, type Session, selectNodes } from './session.ts';
import { onSignals } from './signals.ts';
import { bold, dim, green, red } from './style.ts';

interface Ready {
  readonly node: Node;
  readonly assessment: Assessment;
  readonly record: NodeRecord;
}

/** Exit code 1 when anything differs or fails. */
export async function auditCommand(
  session: Session,
  selectors: readonly string[],
  flags: CommonFlags,
): Promise<number> {
  const { pipeline, places, cache } = session;
  const selected = selectNodes(pipeline, selectors, true);
  const knowledge = await learn(session, selected);
  const ready = freshNodes(session, selected, knowledge);
  const wantsGpu = ready.some(({ node }) => node.resources.gpu > 0);
  const capacity = await machineCapacity({ jobs: null, gpus: null, pools: pipeline.pools, wantsGpu });
  const stopper = createStopper();
  const restore = onSignals(stopper.stop, (message) => process.stderr.write(`\n${message}\n`));
  const bundles = createBundles(pipeline.root, places.code, knowledge.codes, cache);
  const nodes: { name: string; seconds: number; outcome: AuditOutcome }[] = [];
  try {
    for (const { node, assessment, record } of ready) {
      if (stopper.stopped()) break;
      const startedMs = performance.now();
      if (process.stderr.isTTY) process.stderr.write(dim(`▶ ${node.name}\r`));
      const outcome = await rerunNode({
        root: pipeline.root,
        places,
        cache,
        node,
        assessment,
        record,
        allotment: allot(node, capacity),
        bundles,
        limits: capacity,
        stopper,
        listener: () => {},
      });
      const seconds = (performance.now() - startedMs) / 1000;
      nodes.push({ name: node.name, seconds, outcome });
      if (!flags.json) for (const line of outcomeLines(node.name, seconds, outcome)) process.stdout.write(`${line}\n`);
    }
  } finally {
    restore();
    rmSync(path.join(places.state, 'audit'), { recursive: true, force: true });
  }
  const ok = nodes.every(({ outcome }) => outcome.kind === 'equal');
  if (flags.json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, ok, nodes })}\n`);
  else
    process.stdout.write(
      `${bold(`${nodes.filter(({ outcome }) => outcome.kind === 'equal').length} of ${ready.length} made the same bytes again`)}\n`,
    );
  if (stopper.stopped()) return EXIT.interrupted;
  return ok ? EXIT.done : EXIT.failed;
}

/** A node is audited against its present record: it has to be fresh, and so has what it reads. */
function freshNodes({ pipeline, cache }: Session, nodes: readonly Node[], knowledge: Knowledge): Ready[] {
  const outputsOf = (name: string): Record<string, Entry> => outputsOnDisk({ pipeline, cache }, name);
  return nodes.map((node) => {
    const assessed = assess(node, { root: pipeline.root, cache, ...knowledge, outputsOf }, false);
    const verdict = assessed.ok ? assessed.value.verdict : null;
    if (assessed.ok && verdict?.state === 'fresh') return { node, assessment: assessed.value, record: verdict.record };
    const why =
      verdict && verdict.state !== 'fresh' ? `: ${describeReasons(verdict.reasons, 2)}` : ': an input is missing';
    throw new UsageError(
      `${node.name} is not fresh, so there is nothing to compare with${why}\n  \`dag run '${node.name}'\` first`,
    );
  });
}

function allot(node: Node, capacity: Capacity) {
  const allotment = createSlots(capacity).take(node.resources);
  if (allotment) return allotment;
  throw new UsageError(`${node.name} asks for more than this machine has`);
}

function outcomeLines(name: string, seconds: number, outcome: AuditOutcome): string[] {
  const time = dim(duration(seconds));
  if (outcome.kind === 'equal') return [`${green('equal')}   ${name} ${time}`];
  if (outcome.kind === 'failed') {
    const log = outcome.failure.log ? tailOf(outcome.failure.log, 12).map((line) => dim(`    │ ${line}`)) : [];
    return [`${red('failed')}  ${name}: ${outcome.failure.message}`, ...log];
  }
  const rest = outcome.total - outcome.files.length;
  return [
    `${red('differs')} ${name} ${time}`,
    ...outcome.files.map(({ path: file, change }) => `    ${file}${change === 'changed' ? '' : ` (${change})`}`),
    ...(rest > 0 ? [`    and ${rest} more`] : []),
  ];
}
