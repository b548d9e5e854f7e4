// dag verify: hashes the store and the artifacts in the work tree again, sets damage aside, puts back into the store what
// lies intact in the work tree, and says what has to run again. `--rerun` audits determinism (audit.ts).
import { existsSync } from 'node:fs';
import path from 'node:path';
import { acquireLock, type Entry, type Verification } from '../../../cache/index.ts';
import type { Node } from '../../model/node.ts';
import type { NodeRecord } from '../../model/record.ts';
import { type CommonFlags, openSession, type Session, selectNames, waitingFor } from '../../project/session.ts';
import { recordOf, stateOf } from '../../state/records.ts';
import { bold, dim, green, red, yellow } from '../../text/style.ts';
import { EXIT } from '../exit.ts';

interface VerifyFlags extends CommonFlags {
  readonly rerun?: boolean;
  readonly jobs?: number;
}

interface BadArtifact {
  readonly node: string;
  /** Relative to the root. */
  readonly path: string;
  readonly found: string;
}

interface Report {
  readonly store: Verification;
  readonly artifacts: readonly BadArtifact[];
  /** Nodes whose damaged bytes were put back into the store from the work tree. */
  readonly repaired: readonly string[];
  /** Nodes whose artifacts the next run restores. */
  readonly restore: readonly string[];
  readonly rerun: readonly string[];
  /** Earlier results that cannot be restored any more: names of their nodes. */
  readonly lost: readonly string[];
}

/** Exit code 1 when damage was found, mended or not. */
export async function verifyCommand(selectors: readonly string[], flags: VerifyFlags): Promise<number> {
  const session = openSession(flags);
  const lock = await acquireLock(session.places.lock, { onWait: waitingFor });
  try {
    if (flags.rerun) return await (await import('./audit.ts')).auditCommand(session, selectors, flags);
    const report = await verify(session, selectors);
    const ok = report.store.damaged.length === 0 && report.artifacts.length === 0;
    if (flags.json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, ok, ...report })}\n`);
    else print(report);
    return ok ? EXIT.done : EXIT.failed;
  } finally {
    lock.release();
    await session.cache.close();
  }
}

async function verify(session: Session, selectors: readonly string[]): Promise<Report> {
  const { pipeline, cache } = session;
  const store = await cache.verify(onTerminal());
  const names = new Set(
    selectors.length > 0 ? selectNames(pipeline, selectors, true) : pipeline.nodes.map(({ name }) => name),
  );
  const artifacts: BadArtifact[] = [];
  const [repaired, restore, rerun]: [string[], string[], string[]] = [[], [], []];
  for (const node of pipeline.nodes) {
    const record = names.has(node.name) ? presentRecord(session, node) : undefined;
    if (!record) continue;
    const bad = await badArtifacts(session, node, record);
    for (const artifact of bad) artifacts.push(artifact);
    const outcome = await mend(session, node, record, bad.length > 0);
    if (outcome === 'repaired') repaired.push(node.name);
    if (outcome === 'restore') restore.push(node.name);
    if (outcome === 'rerun') rerun.push(node.name);
  }
  return { store, artifacts, repaired, restore, rerun, lost: lostResults(session, new Set([...rerun])) };
}

function presentRecord({ cache }: Session, { name }: Node): NodeRecord | undefined {
  const state = stateOf(cache, name);
  return state && recordOf(cache, state.key);
}

/** An artifact that is not there at all is no damage: `dag clean` took it, or a person, and it is restored. */
async function badArtifacts({ pipeline, cache }: Session, node: Node, record: NodeRecord): Promise<BadArtifact[]> {
  const bad: BadArtifact[] = [];
  for (const { name, path: file } of node.outputs) {
    const entry = record.outputs[name];
    const place = path.join(pipeline.root, file);
    if (!entry || !existsSync(place)) continue;
    for (const { path: inner, found } of (await cache.damage(entry, place)) ?? [{ path: '', found: 'unknown' }])
      bad.push({ node: node.name, path: path.posix.join(file, inner), found });
  }
  return bad;
}

async function mend(
  { pipeline, cache }: Session,
  node: Node,
  record: NodeRecord,
  altered: boolean,
): Promise<'whole' | 'repaired' | 'restore' | 'rerun'> {
  const lacking = node.outputs.filter(({ name }) => record.outputs[name] && !cache.has(record.outputs[name]));
  if (lacking.length === 0) return altered ? 'restore' : 'whole';
  if (altered) return 'rerun';
  for (const { name, path: file } of lacking) {
    const place = path.join(pipeline.root, file);
    if (!existsSync(place)) return 'rerun';
    const saved: Entry = await cache.save(place, place);
    if (saved.digest !== record.outputs[name]!.digest) return 'rerun';
  }
  await cache.commit([]);
  return 'repaired';
}

function lostResults({ cache }: Session, named: ReadonlySet<string>): string[] {
  const lost = new Set<string>();
  for (const id of cache.ids('records')) {
    const record = cache.get('records', id) as NodeRecord;
    if (named.has(record.node) || Object.values(record.outputs).every((entry) => cache.has(entry))) continue;
    lost.add(record.node);
  }
  return [...lost];
}

function onTerminal(): (objects: number) => void {
  if (!process.stderr.isTTY) return () => {};
  return (objects) => process.stderr.write(`\r${objects} files hashed\x1b[K\r`);
}

function print({ store, artifacts, repaired, restore, rerun, lost }: Report): void {
  const out = (line: string) => process.stdout.write(`${line}\n`);
  for (const { digest, place } of store.damaged)
    out(`${red('damaged')} ${place === 'index' ? `${digest} (in the index)` : place}${dim('  set aside')}`);
  for (const { node, path: file, found } of artifacts) out(`${red(found.padEnd(7))} ${file}${dim(`  of ${node}`)}`);
  for (const node of repaired)
    out(`${green('repaired')} ${node}: its bytes were whole in the work tree, and are stored again`);
  for (const node of restore) out(`${yellow('restore')} ${node}: \`dag run\` puts its artifacts back`);
  for (const node of rerun) out(`${yellow('rerun')}   ${node}: \`dag run '${node}'\` makes its result again`);
  if (lost.length > 0)
    out(`${yellow('lost')}    earlier results of ${lost.join(', ')}: made again when they are asked for`);
  const gib = store.bytes / 2 ** 20;
  const found = store.damaged.length + artifacts.length;
  out(
    bold(
      `${store.objects} stored files, ${gib.toFixed(1)} MiB hashed: ${found === 0 ? 'all whole' : `${found} damaged`}`,
    ),
  );
}
