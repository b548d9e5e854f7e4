// dag log NODE: what the node's latest run printed.
import { existsSync, readFileSync } from 'node:fs';
import { logPath, placesOf } from '../state/places.ts';
import { EXIT, UsageError } from './failure.ts';
import { type CommonFlags, loadProject, selectNames } from './session.ts';
import { bold } from './style.ts';

export async function logCommand(selector: string, flags: CommonFlags): Promise<number> {
  const pipeline = loadProject(flags);
  const names = selectNames(pipeline, [selector], true);
  const places = placesOf(pipeline.root);
  const logs = names.map((name) => ({ name, file: logPath(places, name) })).filter(({ file }) => existsSync(file));
  if (logs.length === 0) throw new UsageError(`${names.join(', ')} has no log: it has not run in this project`);
  if (flags.json) {
    const entries = logs.map(({ name, file }) => ({ name, file, text: readFileSync(file, 'utf8') }));
    process.stdout.write(`${JSON.stringify({ schemaVersion: 1, logs: entries })}\n`);
    return EXIT.done;
  }
  for (const { name, file } of logs) {
    if (logs.length > 1) process.stdout.write(`${bold(name)}\n`);
    process.stdout.write(readFileSync(file));
  }
  return EXIT.done;
}
