// dag clean: takes artifacts out of the work tree. Their bytes stay in the cache, so that `dag run` puts them back.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { acquireLock } from '../../../cache/index.ts';
import { type CommonFlags, loadProject, selectNames, waitingFor } from '../../project/session.ts';
import { clearPlace } from '../../run/publish.ts';
import { placesOf } from '../../state/places.ts';
import { EXIT } from '../exit.ts';

export async function cleanCommand(selectors: readonly string[], flags: CommonFlags): Promise<number> {
  const pipeline = loadProject(flags);
  const names = new Set(
    selectors.length > 0 ? selectNames(pipeline, selectors, true) : pipeline.nodes.map(({ name }) => name),
  );
  const lock = await acquireLock(placesOf(pipeline.root).lock, { onWait: waitingFor });
  const removed: string[] = [];
  try {
    for (const { name, outputs } of pipeline.nodes) {
      if (!names.has(name)) continue;
      for (const output of outputs) {
        const file = path.join(pipeline.root, output.path);
        if (!existsSync(file)) continue;
        clearPlace(file);
        removed.push(output.path);
      }
    }
  } finally {
    lock.release();
  }
  if (flags.json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, removed })}\n`);
  else process.stderr.write(`removed ${removed.length} artifacts; \`dag run\` restores them from the cache\n`);
  return EXIT.done;
}
