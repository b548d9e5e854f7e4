// The nodes that run at this moment, by the journal of the run that goes on.
import type { Places } from '../state/places.ts';
import { currentRun } from './current.ts';
import { readJournal } from './read.ts';

const MATTERS = /"type":"node-(?:started|done|failed|yielded)"/;

/** Names of nodes to when they were started. */
export async function runningNodes({ lock, journals }: Places): Promise<Map<string, string>> {
  const running = new Map<string, string>();
  const current = await currentRun({ lock, journals });
  if (!current) return running;
  for (const event of readJournal(journals, current.id, (text) => MATTERS.test(text)).events) {
    if (event.type === 'node-started') running.set(event.node, event.at);
    else if ('node' in event && event.type !== 'node-metric') running.delete(event.node);
  }
  return running;
}
