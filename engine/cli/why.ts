// dag why NODE: every reason that a node is stale, with old and new value; or, when it is fresh, why it last ran.
import { describeReason } from '../plan/reason.ts';
import { stateOf } from '../state/record.ts';
import { EXIT, UsageError } from './failure.ts';
import { planSelected } from './plan.ts';
import { type CommonFlags, openSession, type Session, selectNames } from './session.ts';
import { bold } from './style.ts';

export async function whyCommand(selector: string, flags: CommonFlags): Promise<number> {
  const session = openSession(flags);
  try {
    const names = selectNames(session.pipeline, [selector], true);
    if (names.length > 1 && flags.json)
      throw new UsageError(`"${selector}" is ${names.length} nodes; \`dag why --json\` takes one: ${names[0]}`);
    const { planned } = await planSelected(session, names);
    for (const name of names) {
      const { state, reasons } = planned.find(({ node }) => node.name === name)!;
      if (flags.json)
        process.stdout.write(
          `${JSON.stringify({ schemaVersion: 1, name, state: state === 'fresh' ? 'fresh' : 'stale', reasons })}\n`,
        );
      else
        process.stdout.write(
          `${[headline(session, name, state), ...reasons.map((reason) => `  ${describeReason(reason)}`)].join('\n')}\n`,
        );
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
  return `${bold(name)} is fresh. It last ran at ${last.ranAt} because:${because}`;
}
