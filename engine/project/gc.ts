// Which results the cache keeps, and the collection of all others: what is pinned, what the last runs had and what the artifacts are
// now stays.
import type { Cache, Collection, Entry, LockOwner } from '../../cache/index.ts';
import { readUsage, type Usage } from '../journal/usage.ts';
import type { NodeRecord, NodeState } from '../model/record.ts';
import { listPins } from '../state/pins.ts';
import { nodeOfId } from '../state/projectView.ts';
import { recordOf } from '../state/records.ts';
import { collectGarbage, type GarbageCollection } from './collectGarbage.ts';
import { type Candidate, chooseDropped, type Limits } from './retention.ts';
import type { CommonFlags, Session } from './session.ts';

export interface GcRequest {
  readonly limits: Limits;
  readonly flags: CommonFlags;
  readonly dryRun: boolean;
  onWait(owner: LockOwner): void;
}

export interface Collected extends GarbageCollection {
  /** Nodes whose results went or, in a dry run, would; one name a result. */
  readonly dropped: readonly string[];
  readonly collection: Collection;
}

export async function collectResults(
  session: Session,
  { limits, flags, dryRun, onWait }: GcRequest,
): Promise<Collected> {
  const { cache, places } = session;
  const usage = readUsage(places.journals);
  const drop = choose(session, limits, usage);
  const dropped = drop.map((key) => (cache.get('records', key) as NodeRecord).node);
  const entriesOf = (record: unknown) => Object.values((record as NodeRecord).outputs);
  const collection = await cache.collect({ drop, entriesOf, mayDrop: lateCheck(cache), dryRun, onWait });
  const { keepRuns, maxAgeMs } = limits;
  return {
    dropped,
    collection,
    ...(await collectGarbage(session, { usage, keepRuns: keepRuns ?? 0, maxAgeMs, flags, dryRun })),
  };
}

function choose({ cache }: Session, limits: Limits, usage: Usage): string[] {
  const isPresent = presentResults(cache);
  const kept = new Set<string>();
  for (const { keys } of listPins(cache)) for (const key of keys) kept.add(key);
  for (const { keys } of usage.runs.slice(0, limits.keepRuns ?? 0)) for (const key of keys) kept.add(key);
  const results = cache.ids('records').map((key): Candidate => {
    const record = cache.get('records', key) as NodeRecord;
    return {
      key,
      lastUsedMs: Math.max(Date.parse(record.ranAt), usage.lastUsedMs.get(key) ?? 0),
      isProtected: kept.has(key) || isPresent(key, record),
      *files() {
        for (const entry of Object.values(record.outputs)) yield* filesOf(cache, entry);
      },
    };
  });
  return chooseDropped(results, limits, Date.now());
}

function* filesOf(cache: Cache, entry: Entry): Generator<[string, number]> {
  for (const { digest, sizeBytes } of cache.files(entry) ?? []) yield [digest, sizeBytes];
}

/**
 * Whether a record is what its node's artifacts are now: by key, or by the same outputs. A parameter that was put back
 * makes a node fresh without running, and then the key that it last ran with is not the one that it has.
 */
function presentResults(cache: Cache): (key: string, record: NodeRecord) => boolean {
  const keys = new Set<string>();
  const outputs = new Set<string>();
  const made = (node: string, record: NodeRecord) => JSON.stringify([node, record.outputs]);
  for (const name of cache.ids('nodes')) {
    const { key } = cache.get('nodes', name) as NodeState;
    const record = recordOf(cache, key);
    keys.add(key);
    if (record) outputs.add(made(nodeOfId(name), record));
  }
  return (key, record) => keys.has(key) || outputs.has(made(record.node, record));
}

/** A build beside us may have made a result the present one since we chose. */
function lateCheck(cache: Cache): (key: string) => boolean {
  let isPresent: ReturnType<typeof presentResults> | null = null;
  return (key) => {
    isPresent ??= presentResults(cache);
    return !isPresent(key, cache.get('records', key) as NodeRecord);
  };
}
