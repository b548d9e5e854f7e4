// The entropy-coded bits of a JPEG scan: stuffed zeros left out, markers stopped at. Asking for more bits than there are is an
// error: a decoder that goes on with zeros, as most do, makes a picture of a file that was cut off.
import type { HuffmanTable } from './jpegStream.ts';

export class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;
  /** The lowest `#count` bits are the next ones; at most 24. */
  #bits = 0;
  #count = 0;
  /** How many of these are not in the stream. */
  #beyond = 0;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#at = start;
  }

  symbol(table: HuffmanTable): number {
    const entry = table[this.#peek()]!;
    if (entry === 0) throw new Error('its JPEG data are damaged (no such code)');
    this.#skip(entry >> 8);
    return entry & 0xff;
  }

  /** A difference or coefficient of `size` bits, 1 to 15, sign-extended as JPEG has it (F.2.2.1, EXTEND). */
  signed(size: number): number {
    const value = this.#peek() >>> (16 - size);
    this.#skip(size);
    return value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
  }

  /** To the data after the next restart marker. */
  restart(): void {
    [this.#bits, this.#count, this.#beyond] = [0, 0, 0];
    const code = this.#bytes[this.#at + 1] ?? 0;
    if (this.#bytes[this.#at] !== 0xff || code < 0xd0 || code > 0xd7)
      throw new Error('a JPEG restart marker is missing');
    this.#at += 2;
  }

  #peek(): number {
    while (this.#count <= 16) {
      this.#bits = (this.#bits << 8) | this.#nextByte();
      this.#count += 8;
    }
    return (this.#bits >>> (this.#count - 16)) & 0xffff;
  }

  #skip(count: number): void {
    this.#count -= count;
    if (this.#count < this.#beyond) throw new Error('its JPEG data are cut off');
  }

  #nextByte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined || (byte === 0xff && this.#bytes[this.#at + 1] !== 0)) {
      this.#beyond += 8;
      return 0;
    }
    this.#at += byte === 0xff ? 2 : 1;
    return byte;
  }
}
