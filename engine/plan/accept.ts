// Accepting a change of code: a person says that it leaves a node's result as it is, and the record of the node's
// previous key becomes the record of its present one. Only code may differ: a changed parameter or input changes what
// the result is of, and no word of a person makes up for that. Decides and returns what to write; writes nothing.

import type { Cache, Entry, Write } from '../../cache/index.ts';
import type { Node } from '../model/node.ts';
import { own } from '../model/own.ts';
import { describeReason, type Reason } from '../model/reason.ts';
import type { Acceptance, NodeRecord, NodeState } from '../model/record.ts';
import { fail, ok, type Result } from '../model/result.ts';
import { recordOf, stateOf } from '../state/records.ts';
import type { Assessment } from './assess.ts';
import { changes } from './changes.ts';
import { keyOf } from './key.ts';

export interface AcceptRequest {
  readonly reason: string;
  readonly by: string;
  readonly at: Date;
}

export interface Accepted {
  readonly acceptance: Acceptance;
  readonly record: NodeRecord;
  readonly writes: readonly Write[];
}

export interface Refusal {
  readonly message: string;
  readonly hint: string;
}

/** Every producer of the node must be done, so that its present key is known. */
export function accept(
  node: Node,
  { key, ingredients, environment, verdict }: Assessment,
  cache: Cache,
  { reason, by, at }: AcceptRequest,
): Result<Accepted, Refusal> {
  if (verdict.state !== 'stale')
    return fail({ message: `${node.name} has a result for its present code`, hint: 'there is nothing to accept' });
  const state = stateOf(cache, node.name);
  const record = state && recordOf(cache, state.key);
  if (!state || !record)
    return fail({ message: `${node.name} has no earlier result`, hint: `\`dag run '${node.name}'\` makes one` });
  const changed = changes(state.ingredients, ingredients, cache);
  const other = changed.filter((change) => !isCode(change));
  const withOldCode = keyOf(node, { ...ingredients, environment, code: state.ingredients.code });
  if (other.length > 0 || withOldCode !== state.key) return fail(notOnlyCode(node, other));
  if (changed.length === 0)
    return fail({
      message: `${node.name}: its code is as it was`,
      hint: `its result is missing or damaged: \`dag run '${node.name}'\``,
    });
  const isKept = (entry: Entry | undefined) => entry !== undefined && cache.has(entry);
  if (!node.outputs.every(({ name }) => isKept(own(record.outputs, name))))
    return fail({ message: `${node.name}: the cache no longer has its earlier result`, hint: 'it has to run again' });
  const acceptance: Acceptance = { reason, by, at: at.toISOString(), from: state.key, to: key, changes: changed };
  const taken: NodeRecord = { ...record, accepted: [...(record.accepted ?? []), acceptance] };
  const now: NodeState = { ...state, key, ingredients };
  const writes: Write[] = [
    { space: 'records', id: key, value: taken },
    { space: 'nodes', id: node.name, value: now },
  ];
  return ok({ acceptance, record: taken, writes });
}

/** Names of outputs are of kind "code" too, but a result without an output is not the result. */
function isCode({ kind, name }: Reason): boolean {
  return kind === 'code' && !name.startsWith('output ');
}

function notOnlyCode(node: Node, other: readonly Reason[]): Refusal {
  const lines = other.map((change) => `\n  ${describeReason(change)}`).join('');
  return {
    message: `${node.name}: not only its code changed, so its result has to be made again:${lines}`,
    hint: `\`dag run '${node.name}'\` makes it`,
  };
}
