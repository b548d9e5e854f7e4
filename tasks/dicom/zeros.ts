// Pixel data that are zero throughout: a file that was made room for and never filled. Air may be stored as 0, so the first
// zeros prove nothing; a few bytes from the middle clear most files, and only the rest are read as a whole.
import { closeSync, openSync, readSync } from 'node:fs';
import type { Header } from './header.ts';
import { TRANSFER_SYNTAXES } from './syntax.ts';

export const ZERO_FILLED = 'its pixel data are zero throughout';

const STEP_BYTES = 64 * 1024;
let chunk = Buffer.alloc(0);

/** Compressed pixels are never zero throughout; whether they decode to that is not asked here. */
export function isZeroFilled(path: string, { bytes, pixels, fileBytes, transferSyntax }: Header): boolean {
  const syntax = TRANSFER_SYNTAXES.get(transferSyntax);
  if (!pixels || !syntax || syntax.codec) return false;
  const end = Math.min(pixels.offset + pixels.lengthBytes, fileBytes);
  const known = bytes.subarray(pixels.offset, end);
  if (known.length === 0 || !isZero(known)) return false;
  if (pixels.offset + known.length >= end) return true;
  const file = openSync(path, 'r');
  try {
    const middle = pixels.offset + ((end - pixels.offset) >> 1);
    if (!isZero(read(file, middle, Math.min(STEP_BYTES / 16, end - middle)))) return false;
    for (let at = pixels.offset + known.length; at < end; at += STEP_BYTES) {
      if (!isZero(read(file, at, Math.min(STEP_BYTES, end - at)))) return false;
    }
    return true;
  } finally {
    closeSync(file);
  }
}

function read(file: number, at: number, sizeBytes: number): Uint8Array {
  if (chunk.length === 0) chunk = Buffer.alloc(STEP_BYTES);
  return chunk.subarray(0, readSync(file, chunk, 0, sizeBytes, at));
}

/** By a loop: `every` with its callback takes several times as long, and air may be half a slice of zeros. */
export function isZero(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) return false;
  return true;
}
