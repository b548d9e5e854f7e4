// dag why NODE: every reason that a node is stale, with old and new value; or, when it is fresh, why it last ran.
import { readJournal, runIds } from '../../journal/read.ts';
import { describeReason } from '../../model/reason.ts';
import type { Acceptance } from '../../model/record.ts';
import type { Planned } from '../../plan/plan.ts';
import { planSelected } from '../../project/plan.ts';
import { type CommonFlags, openSession, type Session, selectNames } from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import { scratchOf } from '../../state/places.ts';
import { recordOf, stateOf } from '../../state/records.ts';
import { earlierTurns } from '../../state/turns.ts';
import { duration, localTime } from '../../text/duration.ts';
import { bold, yellow } from '../../text/style.ts';
import { EXIT } from '../exit.ts';

export async function whyCommand(selector: string, flags: CommonFlags): Promise<number> {
  const session = openSession(flags);
  try {
    const names = selectNames(session.pipeline, [selector], true);
    if (names.length > 1 && flags.json)
      throw new UsageError(`"${selector}" is ${names.length} nodes; \`dag why --json\` takes one: ${names[0]}`);
    const { planned } = await planSelected(session, names);
    for (const name of names) {
      const found = planned.find(({ node }) => node.name === name)!;
      const { state, reasons } = found;
      const accepted = acceptances(session, name);
      if (flags.json) {
        const answer = { schemaVersion: 1, name, state: state === 'fresh' ? 'fresh' : 'stale', reasons, accepted };
        process.stdout.write(`${JSON.stringify(answer)}\n`);
        continue;
      }
      const lines = [
        headline(session, name, state),
        ...reasons.map((reason) => `  ${describeReason(reason)}`),
        ...progressLines(session, found),
      ];
      process.stdout.write(`${[...lines, ...accepted.flatMap(acceptanceLines)].join('\n')}\n`);
    }
    return EXIT.done;
  } finally {
    await session.cache.close();
  }
}

function headline({ cache }: Session, name: string, state: 'fresh' | 'restore' | 'stale'): string {
  if (state === 'stale') return `${bold(name)} is stale:`;
  if (state === 'restore') return `${bold(name)} will be restored from the cache, without running:`;
  const last = stateOf(cache, name);
  if (!last) return `${bold(name)} is fresh.`;
  const because = last.reasons.map((reason) => `\n  ${describeReason(reason)}`).join('');
  return `${bold(name)} is fresh. It last ran at ${localTime(last.ranAt)} because:${because}`;
}

/** Of a node that stopped at a safe point, by a wish or to give way. */
function progressLines({ places }: Session, { node, state, key }: Planned): string[] {
  if (state !== 'stale' || key === undefined) return [];
  const { turns, seconds } = earlierTurns(node, scratchOf(places, { key }));
  return turns === 0 ? [] : [`  it has run for ${duration(seconds)} and goes on from there`];
}

/** Each time that somebody said of this node that a change of code leaves its result valid, oldest first. */
function acceptances({ cache, places }: Session, name: string): readonly Acceptance[] {
  const said = runIds(places.journals).flatMap((id) =>
    readJournal(places.journals, id, (text) => text.includes('"type":"node-accepted"')).events.flatMap((event) =>
      event.type === 'node-accepted' && event.node === name ? [event.acceptance] : [],
    ),
  );
  // The record says it too, in a cache that came without this project's journals.
  const state = stateOf(cache, name);
  const recorded = (state && recordOf(cache, state.key)?.accepted) ?? [];
  const known = new Set(said.map(({ at, to }) => at + to));
  return [...said, ...recorded.filter(({ at, to }) => !known.has(at + to))];
}

function acceptanceLines({ at, by, reason, changes }: Acceptance): string[] {
  const head = `  ${yellow('accepted')} at ${localTime(at)} by ${by}: ${reason}`;
  return [head, ...changes.map((change) => `    ${describeReason(change)}`)];
}
