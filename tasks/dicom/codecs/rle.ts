// RLE (PS3.5, annex G): a header of 64 bytes, then a PackBits segment for each byte of a sample, the high byte first.
import type { Frame, Samples } from './frame.ts';

const HEADER_BYTES = 64;

export function decodeRle(stream: Uint8Array, { rows, columns, bitsAllocated }: Frame): Samples {
  if (stream.length < HEADER_BYTES) throw new Error('its RLE header is cut off');
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const segments = view.getUint32(0, true);
  const wanted = bitsAllocated / 8;
  if (segments !== wanted) throw new Error(`${segments} RLE segments, expected ${wanted}`);
  const offsets = Array.from({ length: segments }, (_, k) => view.getUint32(4 + 4 * k, true));
  const samples = bitsAllocated === 8 ? new Uint8Array(rows * columns) : new Uint16Array(rows * columns);
  for (const [k, offset] of offsets.entries()) {
    const end = offsets[k + 1] ?? stream.length;
    if (offset < HEADER_BYTES || end < offset || end > stream.length)
      throw new Error('its RLE segments lie outside of it');
    addSegment(stream.subarray(offset, end), samples, 8 * (segments - 1 - k));
  }
  return samples;
}

/** Adds a byte to each sample, shifted to its place. */
function addSegment(segment: Uint8Array, samples: Samples, shift: number): void {
  let to = 0;
  for (let at = 0; to < samples.length; ) {
    if (at + 1 >= segment.length) throw new Error(`an RLE segment holds ${to} of ${samples.length} bytes`);
    const control = segment[at++]!;
    if (control === 128) continue; // Nothing, by definition.
    const isRun = control > 128;
    const stop = Math.min(to + (isRun ? 257 - control : control + 1), samples.length);
    if (isRun) {
      const value = segment[at++]! << shift;
      while (to < stop) samples[to++]! |= value;
    } else {
      if (at + stop - to > segment.length) throw new Error(`an RLE segment holds ${to} of ${samples.length} bytes`);
      while (to < stop) samples[to++]! |= segment[at++]! << shift;
    }
  }
}
