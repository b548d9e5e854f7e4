// Identifiers that depend on nothing but a text: the same seed gives the same files on every machine.
import { createHash } from 'node:crypto';

/** A UID under the UUID root 2.25 (PS3.5, B.2) from 128 bits of the text's SHA-256; at most 44 characters. */
export function uidOf(text: string): string {
  return `2.25.${BigInt(`0x${hexOf(text, 32)}`)}`;
}

/** The first `digits` hexadecimal digits of the text's SHA-256. */
export function hexOf(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}
