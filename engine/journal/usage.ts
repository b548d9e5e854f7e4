// When each key was last of use, and which keys each run had: read from the journals, for who decides what to keep.
import { readJournal, runIds } from './read.ts';

/** How a run was asked for: another profile is another pipeevent. */
export interface Asked {
  readonly profile: string | null;
  readonly set: readonly string[];
}

export interface Started extends Asked {
  readonly node: string;
  readonly key: string;
}

export interface Usage {
  /** Milliseconds since 1970, by key. */
  readonly lastUsedMs: ReadonlyMap<string, number>;
  /** What each node was last started with: one of each profile and `--set`, since a run of another is taken up again on its own. */
  readonly lastStarted: readonly Started[];
  /** Newest first. */
  readonly runs: readonly (Asked & { readonly id: string; readonly keys: ReadonlySet<string> })[];
}

export function readUsage(folder: string): Usage {
  const lastUsedMs = new Map<string, number>();
  const lastStarted = new Map<string, Started>();
  const runs: Usage['runs'][number][] = [];
  for (const id of runIds(folder)) {
    const keys = new Set<string>();
    const use = (key: string, at: string) => {
      keys.add(key);
      lastUsedMs.set(key, Date.parse(at));
    };
    let asked: Asked | null = null;
    for (const event of readJournal(folder, id, (text) => !/"type":"node-(metric|progress)"/.test(text)).events) {
      if (event.type === 'run-started') asked = { profile: event.profile, set: event.set };
      if (event.type === 'node-fresh' || event.type === 'node-started' || event.type === 'node-restored')
        use(event.key, event.at);
      if (event.type === 'node-started' && asked)
        lastStarted.set(`${JSON.stringify(asked)} ${event.node}`, { ...asked, node: event.node, key: event.key });
      if (event.type === 'node-accepted') use(event.acceptance.to, event.at);
    }
    if (asked) runs.push({ ...asked, id, keys });
  }
  return { lastUsedMs, lastStarted: [...lastStarted.values()], runs: runs.reverse() };
}
