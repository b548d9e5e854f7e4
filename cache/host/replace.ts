// Puts a finished file or folder in the place of another: by rename, so that a reader sees the old or the new one.
import { cpSync, existsSync, mkdirSync, readlinkSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Unhashable } from '../errors.ts';
import { neighbour } from './atomic.ts';
import { lstatOrNull } from './stat.ts';

/**
 * `staged` becomes `target`; the same path twice is nothing to do. A folder cannot be renamed over another, so for it
 * there is an instant in which nothing lies at `target`. `removeOld` takes the old one out of the way.
 */
export function replace(staged: string, target: string, removeOld: (path: string) => void): void {
  if (staged === target) return;
  const place = throughLink(target);
  mkdirSync(dirname(place), { recursive: true });
  const old = lstatOrNull(place);
  const fresh = lstatOrNull(staged);
  if (!fresh) throw new Error(`nothing lies at ${staged}: there is nothing to save`);
  if (old && (old.isDirectory() || fresh.isDirectory())) removeOld(place);
  try {
    renameSync(staged, place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    copyAcross(staged, place);
  }
}

/**
 * A target that is a link (to another disk, say) stays one: what it points to is replaced, or made where there is nothing yet.
 * Throws where that cannot be: the disk is not there.
 */
export function throughLink(target: string): string {
  if (!lstatOrNull(target)?.isSymbolicLink()) return target;
  if (existsSync(target)) return realpathSync(target);
  const place = resolve(dirname(target), readlinkSync(target));
  if (lstatOrNull(place) || !existsSync(dirname(place)))
    throw new Unhashable(
      `${target} is a link to ${place}, where nothing can be written. Mount what it points to, or remove the link.`,
    );
  return place;
}

/** From another disk: copied beside the place first, so that the last step is a rename all the same. */
function copyAcross(staged: string, place: string): void {
  const near = neighbour(place);
  cpSync(staged, near, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  renameSync(near, place);
  rmSync(staged, { recursive: true, force: true });
}
