// From the stored 8-bit values of a PNG to the network's input range 0..1, by image kind.

/** The subdural window (width, level) in HU, applied to 3-slice images when they are loaded. */
export const SUBDURAL_WINDOW = { width: 200, level: 80 } as const;

/** True for the kind whose PNGs hold HU 0..255; all others hold windows already, scaled to 0..255. */
export function holdsHu(kind: string): boolean {
  return kind === 'adjacent_hu';
}

/**
 * A table from stored value (0..255) to network input. 3-slice: clip((hu - (L - W/2)) / W, 0, 1) with W 200, L 80, so that
 * HU 0 (and air, stored as 0) is 0.1 and HU 180 and above is 1. Windows: value / 255.
 */
export function levelsOf(kind: string): Float32Array {
  if (!holdsHu(kind)) return Float32Array.from({ length: 256 }, (_, value) => value / 255);
  const { width, level } = SUBDURAL_WINDOW;
  const lower = level - width / 2;
  return Float32Array.from({ length: 256 }, (_, hu) => Math.min(1, Math.max(0, (hu - lower) / width)));
}
