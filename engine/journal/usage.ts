// When each key was last of use, and which keys each run had: read from the journals, for who decides what to keep.
import { readJournal, runIds } from './read.ts';

/** How a run was asked for: another profile is another pipeline. */
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
    for (const line of readJournal(folder, id, (text) => !/"type":"node-(metric|progress)"/.test(text)).lines) {
      if (line.type === 'run-started') asked = { profile: line.profile, set: line.set };
      if (line.type === 'nodes-fresh') for (const key of Object.values(line.nodes)) use(key, line.at);
      if (line.type === 'node-started' || line.type === 'node-restored') use(line.key, line.at);
      if (line.type === 'node-started' && asked)
        lastStarted.set(`${JSON.stringify(asked)} ${line.node}`, { ...asked, node: line.node, key: line.key });
      if (line.type === 'node-accepted') use(line.acceptance.to, line.at);
    }
    if (asked) runs.push({ ...asked, id, keys });
  }
  return { lastUsedMs, lastStarted: [...lastStarted.values()], runs: runs.reverse() };
}
