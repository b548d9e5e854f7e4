// Which results to drop: pure. What is pinned, what the last N runs had and what a node's artifacts are made of now is
// never dropped. Of the rest goes what is older than the age limit, then the longest unused until the size fits; with
// neither limit, everything.
export interface Limits {
  readonly maxBytes: number | null;
  readonly maxAgeMs: number | null;
  readonly keepRuns: number | null;
}

export interface Candidate {
  readonly key: string;
  readonly lastUsedMs: number;
  readonly isProtected: boolean;
  /** Bytes by digest; asked for only where there is a limit of size. */
  files(): Iterable<readonly [digest: string, bytes: number]>;
}

/** Keys to drop. Results may share files: their bytes count once. */
export function chooseDropped(results: readonly Candidate[], limits: Limits, nowMs: number): string[] {
  const { maxBytes, maxAgeMs, keepRuns } = limits;
  if (maxBytes === null && maxAgeMs === null && keepRuns === null) return [];
  const free = results.filter(({ isProtected }) => !isProtected);
  if (maxBytes === null && maxAgeMs === null) return free.map(({ key }) => key);
  const young = free.filter(({ lastUsedMs }) => maxAgeMs === null || nowMs - lastUsedMs <= maxAgeMs);
  const dropped = new Set(free.filter((result) => !young.includes(result)).map(({ key }) => key));
  if (maxBytes === null) return [...dropped];
  const counted = new Set<string>();
  let total = 0;
  const bytesOf = (result: Candidate) => {
    let added = 0;
    for (const [digest, bytes] of result.files()) {
      if (counted.has(digest)) continue;
      counted.add(digest);
      added += bytes;
    }
    return added;
  };
  for (const result of results) if (result.isProtected) total += bytesOf(result);
  for (const result of young.sort((a, b) => b.lastUsedMs - a.lastUsedMs)) {
    if (total <= maxBytes) total += bytesOf(result);
    // One that goes beyond the limit goes, and all that was unused for longer.
    if (total > maxBytes) dropped.add(result.key);
  }
  return [...dropped];
}
