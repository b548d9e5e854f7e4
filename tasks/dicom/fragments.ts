// Encapsulated pixel data (PS3.5, A.4): an item with the offset table, then the frame's bytes cut into fragments, each an item
// of its own, then a delimiter. A file of one frame is all fragments together, whatever its offset table says.

const ITEM = 0xe000;
const DELIMITER = 0xe0dd;
const ITEM_HEADER_BYTES = 8;

export interface Fragment {
  readonly start: number;
  readonly end: number;
}

/**
 * The fragments that begin within `bytes`, whose pixel data begin at `offset`; little endian, as all encapsulated syntaxes are.
 * An item that runs past `fileBytes` gives a reason. Where `bytes` are only a file's beginning, the later fragments are missing.
 */
export function findFragments(bytes: Uint8Array, offset: number, fileBytes: number): Fragment[] | { reason: string } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fragments: Fragment[] = [];
  let isTable = true;
  for (let at = offset; at + ITEM_HEADER_BYTES <= bytes.length; ) {
    const element = view.getUint16(at, true) === 0xfffe ? view.getUint16(at + 2, true) : 0;
    if (element === DELIMITER) return fragments;
    const start = at + ITEM_HEADER_BYTES;
    const end = start + view.getUint32(at + 4, true);
    if (element !== ITEM)
      return { reason: 'its compressed pixel data are damaged (no item where a fragment should begin)' };
    if (end > fileBytes) {
      return {
        reason: `its compressed pixel data are cut off: ${fileBytes - start} of ${end - start} bytes of a fragment`,
      };
    }
    if (!isTable) fragments.push({ start, end });
    isTable = false;
    at = end;
  }
  return fragments;
}

/** The bytes of the fragments as one; a view where there is one fragment. */
export function joinFragments(bytes: Uint8Array, fragments: readonly Fragment[]): Uint8Array {
  const parts = fragments.map(({ start, end }) => bytes.subarray(start, end));
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
