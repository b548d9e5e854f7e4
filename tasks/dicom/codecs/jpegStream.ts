// A JPEG stream (ISO 10918-1; JPEG-LS frames its streams alike) up to its entropy-coded data: frame header, tables, scan header.

export interface JpegHeader {
  /** The marker's low byte: 0xc0 baseline, 0xc1 extended, 0xc3 lossless, 0xf7 JPEG-LS. */
  readonly process: number;
  readonly bits: number;
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  /** Which quantisation table the first component uses. */
  readonly quantization: number;
}

/** By 16 bits of the stream: the code's length << 8 | its symbol, and 0 where no code begins so. */
export type HuffmanTable = Uint16Array;

export interface JpegScan {
  readonly header: JpegHeader;
  /** In zigzag order, by table number. */
  readonly quantizers: readonly (Uint16Array | undefined)[];
  readonly dc: HuffmanTable | undefined;
  readonly ac: HuffmanTable | undefined;
  /** Of a lossless scan: the predictor, 1 to 7. */
  readonly predictor: number;
  /** Of a lossless scan: samples were shifted right so far. */
  readonly pointTransform: number;
  /** 0: none. */
  readonly restartInterval: number;
  /** Where the entropy-coded data begin. */
  readonly start: number;
}

/** The frame header alone, wherever it stands. */
export function readJpegHeader(stream: Uint8Array): JpegHeader {
  for (const { code, at } of segments(stream)) if (isFrame(code)) return readFrame(stream, at);
  throw new Error('its JPEG stream has no frame header');
}

/** All that comes before the data of the first scan, which must be of one component. */
export function readJpegScan(stream: Uint8Array): JpegScan {
  let header: JpegHeader | undefined;
  let restartInterval = 0;
  const quantizers: Uint16Array[] = [];
  const tables: HuffmanTable[] = [];
  for (const { code, at, end } of segments(stream)) {
    if (isFrame(code)) header = readFrame(stream, at);
    if (code === 0xc4) readHuffman(stream, at, end, tables);
    if (code === 0xdb) readQuantizers(stream, at, end, quantizers);
    if (code === 0xdd) restartInterval = word(stream, at);
    if (code !== 0xda) continue;
    if (!header) break;
    if (stream[at] !== 1 || end - at < 6) throw new Error('its JPEG scan is not of one component');
    const which = stream[at + 2]!;
    const scan = { predictor: stream[at + 3]!, pointTransform: stream[at + 5]! & 15, restartInterval, start: end };
    return { header, quantizers, dc: tables[which >> 4], ac: tables[16 + (which & 15)], ...scan };
  }
  throw new Error('its JPEG stream has no scan');
}

/** Marker segments with their contents' place, up to and with the first start of scan. */
function* segments(stream: Uint8Array): Generator<{ code: number; at: number; end: number }> {
  if (stream[0] !== 0xff || stream[1] !== 0xd8) throw new Error('it is no JPEG stream');
  for (let at = 2; at + 4 <= stream.length; ) {
    const code = stream[at + 1]!;
    if (stream[at] !== 0xff) throw new Error('its JPEG markers are damaged');
    if (code === 0xff || code === 0x01 || (code >= 0xd0 && code <= 0xd8)) {
      at += code === 0xff ? 1 : 2; // Fill bytes, and markers that stand alone.
      continue;
    }
    const end = at + 2 + word(stream, at + 2);
    if (end > stream.length || end < at + 4) throw new Error('its JPEG header is cut off');
    yield { code, at: at + 4, end };
    if (code === 0xda) return;
    at = end;
  }
}

/** Start-of-frame markers; of 0xc0 to 0xcf, three are something else (table B.1). */
function isFrame(code: number): boolean {
  return code === 0xf7 || (code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc);
}

function readFrame(stream: Uint8Array, at: number): JpegHeader {
  if (at + 9 > stream.length) throw new Error('its JPEG frame header is cut off');
  return {
    process: stream[at - 3]!,
    bits: stream[at]!,
    rows: word(stream, at + 1),
    columns: word(stream, at + 3),
    components: stream[at + 5]!,
    quantization: stream[at + 8]! & 3,
  };
}

function readQuantizers(stream: Uint8Array, from: number, end: number, into: Uint16Array[]): void {
  for (let at = from; at < end; ) {
    const wide = stream[at]! >> 4 !== 0;
    const table = new Uint16Array(64);
    const next = at + 1 + (wide ? 128 : 64);
    if (next > end) throw new Error('its JPEG quantisation tables are damaged');
    for (let k = 0; k < 64; k++) table[k] = wide ? word(stream, at + 1 + 2 * k) : stream[at + 1 + k]!;
    into[stream[at]! & 3] = table;
    at = next;
  }
}

function readHuffman(stream: Uint8Array, from: number, end: number, into: HuffmanTable[]): void {
  for (let at = from; at + 17 <= end; ) {
    const table = new Uint16Array(65_536);
    let [code, symbol] = [0, at + 17];
    for (let length = 1; length <= 16; length++) {
      const span = 1 << (16 - length);
      for (let left = stream[at + length]!; left > 0; left--, code += span, symbol++) {
        if (code + span > 65_536 || symbol >= end) throw new Error('its JPEG Huffman tables are damaged');
        table.fill((length << 8) | stream[symbol]!, code, code + span);
      }
    }
    into[stream[at]! & 31] = table; // Bit 4 tells AC tables (16 onwards) from DC tables.
    at = symbol;
  }
}

function word(stream: Uint8Array, at: number): number {
  return (stream[at]! << 8) | stream[at + 1]!;
}
