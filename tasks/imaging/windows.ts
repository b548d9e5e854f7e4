// From Hounsfield units to 8 bits: display windows, and the plain clip that the 3-slice images use.

export interface Window {
  readonly widthHu: number;
  readonly levelHu: number;
}

export const WINDOWS = {
  brain: { widthHu: 80, levelHu: 40 },
  subdural: { widthHu: 200, levelHu: 80 },
  bone: { widthHu: 2000, levelHu: 600 },
  stroke: { widthHu: 40, levelHu: 40 },
  temporal_bone: { widthHu: 2800, levelHu: 600 },
  soft_tissue: { widthHu: 380, levelHu: 40 },
} as const satisfies Record<string, Window>;

/** 8-bit value of each HU, by the 16 bits of the HU (`table[hu & 0xffff]`). */
export type ByteTable = Uint8Array;

/** (x - lower) / (upper - lower) * 255, clipped first, truncated last; in double precision. */
export function windowTable({ widthHu, levelHu }: Window): ByteTable {
  const lower = levelHu - widthHu / 2;
  const upper = levelHu + widthHu / 2;
  return byteTable((hu) => ((Math.min(Math.max(hu, lower), upper) - lower) / (upper - lower)) * 255);
}

/** HU clipped to 0..255. */
export function clipTable(): ByteTable {
  return byteTable((hu) => Math.min(Math.max(hu, 0), 255));
}

function byteTable(toByte: (hu: number) => number): ByteTable {
  const table = new Uint8Array(65_536);
  for (let hu = -32_768; hu < 32_768; hu++) table[hu & 0xffff] = toByte(hu); // Assignment truncates.
  return table;
}
