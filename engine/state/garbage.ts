// What earlier runs left under .dag and nobody will use: bundles of code, scratch folders of keys that their nodes left behind,
// items of nodes that are no more, staging of killed runs. Who removes them has the project's lock, so that no run is under way:
// the next one makes its bundles and its staging anew. In the cache: claims that nobody holds, and what was set aside as damaged.
import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { eachFolder, type Places } from './places.ts';

export type GarbageKind = 'code' | 'scratch' | 'items' | 'staging' | 'claims' | 'damaged';

export interface Garbage {
  readonly kind: GarbageKind;
  readonly paths: readonly string[];
  readonly bytes: number;
}

export interface Wanted {
  /** Nodes whose items are of use: in the pipeline, or with a result in the cache. */
  readonly nodes: Iterable<string>;
  /** May an unfinished run of this key be taken up again? Asked with the first 32 letters, and when something was last written there. */
  isWanted(keyStart: string, writtenMs: number): boolean;
}

/** In the project's own folder. */
export function projectGarbage(places: Places, { nodes, isWanted }: Wanted): Garbage[] {
  const kept = new Set([...nodes].map((name) => path.basename(eachFolder(places, name))));
  return [
    ...inside('code', places.code),
    ...inside('staging', places.staging),
    ...garbage('scratch', places.scratch, scratchIn(places.scratch, isWanted)),
    ...inside('items', places.each, (name) => !kept.has(name)),
  ];
}

/** KEY is the folder, KEY.turns.json says how long its node ran. */
function scratchIn(folder: string, isWanted: Wanted['isWanted']): string[][] {
  const byKey = new Map<string, string[]>();
  for (const name of namesIn(folder)) {
    const key = path.basename(name, '.turns.json');
    byKey.set(key, [...(byKey.get(key) ?? []), name]);
  }
  const writtenMs = (names: readonly string[]) =>
    names.reduce((latest, name) => Math.max(latest, lastWrittenMs(path.join(folder, name))), 0);
  return [...byKey].filter(([key, names]) => !isWanted(key, writtenMs(names))).map(([, names]) => names);
}

/** Of a file, or of a folder and all that is in it. */
function lastWrittenMs(place: string): number {
  const stat = lstatSync(place, { throwIfNoEntry: false });
  const inside = stat?.isDirectory() ? namesIn(place).map((name) => lastWrittenMs(path.join(place, name))) : [];
  return inside.reduce((latest, ms) => Math.max(latest, ms), stat?.mtimeMs ?? 0);
}

/** What was damaged is evidence, for somebody to look at. */
const DAMAGED_KEPT_MS = 7 * 24 * 3600 * 1000;

export interface CacheGarbage {
  readonly claims: Garbage[];
  readonly damaged: Garbage[];
}

/** In the cache, `dir`. */
export function cacheGarbage(dir: string, nowMs = Date.now()): CacheGarbage {
  const folder = path.join(dir, 'damaged');
  const damaged = inside('damaged', folder, (name) => cameBefore(path.join(folder, name), nowMs - DAMAGED_KEPT_MS));
  return { claims: inside('claims', path.join(dir, 'claims')), damaged };
}

/** Renaming and linking set the ctime, unlike the mtime. */
function cameBefore(place: string, ms: number): boolean {
  const stat = lstatSync(place, { throwIfNoEntry: false });
  return stat !== undefined && stat.ctimeMs < ms;
}

export function remove(found: readonly Garbage[]): void {
  for (const { paths } of found) for (const place of paths) rmSync(place, { recursive: true, force: true });
}

/** All claims at once, by a rename; what is to be removed then lies beside. */
export function takeClaimsAway(dir: string): void {
  removeTakenClaims(dir); // A killed collection may have had our number.
  renameSync(path.join(dir, 'claims'), path.join(dir, `claims-${process.pid}`));
}

export function removeTakenClaims(dir: string): void {
  for (const name of readdirSync(dir))
    if (/^claims-\d+$/.test(name)) rmSync(path.join(dir, name), { recursive: true, force: true });
}

function inside(kind: GarbageKind, folder: string, isOne: (name: string) => boolean = () => true): Garbage[] {
  const names = namesIn(folder).filter(isOne);
  return garbage(
    kind,
    folder,
    names.map((name) => [name]),
  );
}

function garbage(kind: GarbageKind, folder: string, groups: readonly string[][]): Garbage[] {
  return groups.map((names) => {
    const paths = names.map((name) => path.join(folder, name));
    return { kind, paths, bytes: paths.reduce((sum, place) => sum + bytesOf(place), 0) };
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // There is none, or it went this instant.
  }
}

function bytesOf(place: string): number {
  const stat = lstatSync(place, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.size ?? 0;
  return namesIn(place).reduce((sum, name) => sum + bytesOf(path.join(place, name)), 0);
}
