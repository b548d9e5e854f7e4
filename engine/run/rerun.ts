// Determinism audit of one node: it runs again in scratch, with the inputs that it had, and what it makes is compared by
// digest with what is recorded. Nothing of the project changes, and nothing is recorded.
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Cache, Entry } from '../../cache/index.ts';
import type { Executor } from '../exec/executor.ts';
import type { Failure, Listener } from '../model/event.ts';
import type { Node } from '../model/node.ts';
import type { NodeRecord } from '../model/record.ts';
import type { Allotment } from '../model/resources.ts';
import type { Assessment } from '../plan/assess.ts';
import type { Places } from '../state/places.ts';
import type { Bundles } from './bundles.ts';
import type { Cancellation } from './cancel.ts';
import { emptyStaging, prepareWorkplace, relay, runProcess } from './launch.ts';
import { linkSandbox } from './sandbox.ts';

export interface AuditRequest {
  readonly root: string;
  readonly places: Places;
  readonly cache: Cache;
  readonly node: Node;
  readonly assessment: Assessment;
  readonly record: NodeRecord;
  readonly allotment: Allotment;
  readonly bundles: Bundles;
  readonly cancellation: Cancellation;
  /** One that has run nothing yet, for a project in this folder. */
  createExecutor(root: string): Executor;
  readonly listener: Listener;
}

export interface FileDifference {
  /** Relative to the root. */
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
}

export type AuditOutcome =
  | { readonly kind: 'equal' }
  | { readonly kind: 'differs'; readonly total: number; readonly files: readonly FileDifference[] }
  | { readonly kind: 'failed'; readonly failure: Failure };

const FILES_NAMED = 20;

export async function rerunNode(request: AuditRequest): Promise<AuditOutcome> {
  const { root, places, cache, node, record } = request;
  const folder = path.join(places.state, 'audit');
  const scratchPlaces = {
    ...places,
    staging: path.join(folder, 'staging'),
    scratch: path.join(folder, 'scratch'),
    logs: path.join(folder, 'logs'),
  };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const shell = node.action.kind === 'shell';
  const place = shell ? path.join(folder, 'project') : root;
  if (shell)
    linkSandbox(
      root,
      place,
      node.outputs.map((output) => output.path),
    );
  const workplace = prepareWorkplace(place, scratchPlaces, 'audit', node, request.assessment);
  if (!shell) emptyStaging(workplace);
  const executor = request.createExecutor(place);
  try {
    const failure = await runProcess({
      root: place,
      node,
      allotment: request.allotment,
      workplace,
      bundles: request.bundles,
      executor,
      cancellation: request.cancellation,
      onMessage: (message) => relay(node, message, request.listener),
    });
    if (failure) return { kind: 'failed', failure };
    return compare(cache, node, record, workplace.written);
  } finally {
    await executor.close();
    for (const file of Object.values(workplace.written)) cache.forget(file);
  }
}

function compare(
  cache: Cache,
  node: Node,
  record: NodeRecord,
  written: Readonly<Record<string, string>>,
): AuditOutcome {
  const files: FileDifference[] = [];
  let total = 0;
  for (const { name, path: file } of node.outputs) {
    const found = differenceOf(cache, record.outputs[name]!, cache.scan(written[name]!), file);
    files.push(...found.files);
    total += found.total;
  }
  return total === 0 ? { kind: 'equal' } : { kind: 'differs', total, files };
}

function differenceOf(
  cache: Cache,
  before: Entry,
  after: Entry | null,
  file: string,
): { total: number; files: FileDifference[] } {
  if (!after) return { total: 1, files: [{ path: file, change: 'removed' }] };
  if (after.digest === before.digest && after.kind === before.kind) return { total: 0, files: [] };
  const inside =
    before.kind === 'folder' && after.kind === 'folder' ? cache.diff(before.digest, after.digest, FILES_NAMED) : null;
  if (!inside) return { total: 1, files: [{ path: file, change: 'changed' }] };
  return {
    total: inside.total,
    files: inside.changes.map(({ path: inner, change }) => ({ path: path.posix.join(file, inner), change })),
  };
}
