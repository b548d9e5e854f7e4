// What earlier runs left under .dag and nobody will use: bundles of code, scratch folders of keys that their nodes left behind,
// items of nodes that are no more, staging of killed runs. Who removes them has the project's lock, so that no run is under way:
// the next one makes its bundles and its staging anew. In the cache: claims that nobody holds, and what was set aside as damaged.
import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { eachFolder, type Places } from './places.ts';

export type LeftoverKind = 'code' | 'scratch' | 'items' | 'staging' | 'claims' | 'damaged';

export interface Leftover {
  readonly kind: LeftoverKind;
  readonly path: string;
  readonly bytes: number;
}

export interface Wanted {
  /** Nodes whose items are of use: in the pipeline, or with a result in the cache. */
  readonly nodes: Iterable<string>;
  /** May an unfinished run of this key be taken up again? Asked with the first 32 letters. */
  isWanted(keyStart: string): boolean;
}

/** In the project's own folder. */
export function projectLeftovers(places: Places, { nodes, isWanted }: Wanted): Leftover[] {
  const kept = new Set([...nodes].map((name) => path.basename(eachFolder(places, name))));
  return [
    ...inside('code', places.code),
    ...inside('staging', places.staging),
    // KEY is the folder, KEY.turns.json says how long its node ran.
    ...inside('scratch', places.scratch).filter((found) => !isWanted(path.basename(found.path, '.turns.json'))),
    ...inside('items', places.each).filter((found) => !kept.has(path.basename(found.path))),
  ];
}

/** In the cache, `dir`. */
export function cacheLeftovers(dir: string): { readonly claims: Leftover[]; readonly damaged: Leftover[] } {
  return { claims: inside('claims', path.join(dir, 'claims')), damaged: inside('damaged', path.join(dir, 'damaged')) };
}

export function remove(leftovers: readonly Leftover[]): void {
  for (const { path: place } of leftovers) rmSync(place, { recursive: true, force: true });
}

/** All claims at once, by a rename; what is to be removed then lies beside. */
export function takeClaimsAway(dir: string): void {
  renameSync(path.join(dir, 'claims'), path.join(dir, `claims-${process.pid}`));
}

export function removeTakenClaims(dir: string): void {
  for (const name of readdirSync(dir))
    if (/^claims-\d+$/.test(name)) rmSync(path.join(dir, name), { recursive: true, force: true });
}

function inside(kind: LeftoverKind, folder: string): Leftover[] {
  return namesIn(folder).map((name) => {
    const place = path.join(folder, name);
    return { kind, path: place, bytes: bytesOf(place) };
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
