// dag status --follow: shows the run that goes on in another terminal, as that terminal shows it, by reading its journal. With --json
// it prints the journal's lines, an object each.

import { livingOwner } from '../../../cache/host/index.ts';
import { currentRun } from '../../journal/current.ts';
import { createDecoder } from '../../journal/decode.ts';
import { tailLines } from '../../journal/tail.ts';
import type { Capacity } from '../../model/resources.ts';
import { asRun, type CommonFlags, openSession, projectRoot, selectNodes } from '../../project/session.ts';
import { estimatorFor } from '../../report/estimate.ts';
import type { Estimator } from '../../report/eta.ts';
import { terminalReport } from '../../report/terminal.ts';
import { lastLines } from '../../state/logs.ts';
import { placesOf } from '../../state/places.ts';
import { EXIT } from '../exit.ts';
import { isHeard } from '../output.ts';

export const POLL_MS = 200;
export const pause = () => new Promise<void>((resolve) => setTimeout(resolve, POLL_MS));

/** Exit code 0 when the run ended well, 1 when it did not or was killed; at once 0 when none goes on. */
export async function followCommand(flags: CommonFlags): Promise<number> {
  const places = placesOf(projectRoot(flags));
  const current = await currentRun(places);
  if (!current) {
    process.stderr.write('no run is going on in this project; `dag history` lists the earlier ones\n');
    return EXIT.done;
  }
  const lines = tailLines(current.file);
  const decode = createDecoder();
  let asked: CommonFlags = flags;
  const report = terminalReport({
    stream: process.stderr,
    tail: lastLines,
    estimate: (names, capacity) => estimateAsRun(asked, names, capacity),
  });
  for (;;) {
    const alive = livingOwner(places.lock)?.pid === current.pid;
    for (const text of lines.read()) {
      const events = decode(text);
      if (events && flags.json) process.stdout.write(`${text}\n`);
      for (const event of events ?? []) {
        if (event.type === 'run-started') asked = asRun(flags, event);
        if (!flags.json) report.on(event, Date.parse(event.at));
        if (event.type === 'run-finished') return event.summary.ok ? EXIT.done : EXIT.failed;
      }
    }
    if (!isHeard(flags.json ? process.stdout : process.stderr)) return EXIT.done;
    if (!alive) break;
    await pause();
  }
  process.stderr.write('the run ended without saying how: its process was killed. `dag run` goes on where it was\n');
  return EXIT.failed;
}

/** Durations are in the cache and the graph is in the file; edited since, it may not load: then there is no estimate. */
function estimateAsRun(flags: CommonFlags, names: readonly string[], capacity: Capacity): Estimator {
  try {
    const session = openSession(flags);
    const all = session.pipeline.nodes.map(({ name }) => name);
    const estimator = estimatorFor(session.cache, selectNodes(session.pipeline, all, true), names, capacity);
    void session.cache.close();
    return estimator;
  } catch {
    return {
      usual: () => null,
      started: () => {},
      yielded: () => {},
      reopened: () => {},
      settled: () => {},
      left: () => null,
    };
  }
}
