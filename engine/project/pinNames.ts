// What the words of `dag gc --pin` and `--unpin` mean.
import type { Key } from '../../cache/index.ts';
import { runIds } from '../journal/read.ts';
import { snapshots } from '../journal/snapshot.ts';
import { listPins, type Pin } from '../state/pins.ts';
import { recordOf, stateOf } from '../state/records.ts';
import { findRun, knownRuns } from './runNames.ts';
import { type Session, selectNames } from './session.ts';
import { UsageError } from './usageError.ts';

/** A run pins the results it had, a node the one that it has now. */
export function pinsNamed({ cache, pipeline, places }: Session, word: string): Pin[] {
  const { root } = pipeline;
  const at = new Date().toISOString();
  const run = findRun(word, knownRuns(places.journals));
  if (run !== null) {
    const [snapshot] = snapshots(places.journals, runIds(places.journals), [run]);
    return [{ name: run, keys: [...snapshot!.nodes.values()].map(({ key }) => key as Key), at, root }];
  }
  return selectNames(pipeline, [word], true).map((name) => {
    const key = stateOf(cache, name)?.key;
    if (!key || !recordOf(cache, key))
      throw new UsageError(`${name} has no result to pin\n  \`dag run '${name}'\` makes one`);
    return { name, keys: [key], at, root };
  });
}

export function pinsMatching({ cache, pipeline, places }: Session, word: string): Pin[] {
  const pins = listPins(cache).filter(({ root }) => root === pipeline.root);
  const name = findRun(word, knownRuns(places.journals)) ?? word;
  const exact = pins.filter((pin) => pin.name === name);
  if (exact.length > 0) return exact;
  const nodes = new Set(selectNames(pipeline, [word], true));
  const found = pins.filter((pin) => nodes.has(pin.name));
  if (found.length === 0) throw new UsageError(`${word} is not pinned\n  \`dag gc --pins\` lists what is`);
  return found;
}
