// Pins: results that collection never drops. They lie in the cache, so that they hold for every project that shares it.
import type { Cache, Key } from '../../cache/index.ts';

export interface Pin {
  /** A node's or a run's name, as it was pinned. */
  readonly name: string;
  readonly keys: readonly Key[];
  /** ISO 8601. */
  readonly at: string;
  /** The project. */
  readonly root: string;
}

const PREFIX = 'pin ';
const idOf = ({ root, name }: Pick<Pin, 'root' | 'name'>) => `${PREFIX}${root} ${name}`;

export function listPins(cache: Cache): Pin[] {
  return cache
    .ids('meta')
    .filter((id) => id.startsWith(PREFIX))
    .map((id) => cache.get('meta', id) as Pin);
}

export async function setPins(cache: Cache, pins: readonly Pin[]): Promise<void> {
  await cache.commit(pins.map((pin) => ({ space: 'meta', id: idOf(pin), value: pin })));
}

export async function removePins(cache: Cache, pins: readonly Pick<Pin, 'root' | 'name'>[]): Promise<void> {
  await cache.commit(pins.map((pin) => ({ space: 'meta', id: idOf(pin), value: undefined })));
}
