// Reading and writing safetensors: an 8-byte little-endian header length, a JSON header, then the tensors' bytes without gaps.
// Format: https://huggingface.co/docs/safetensors. Small enough to own; every length and offset is checked before it is used,
// because such files come from elsewhere.
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { InputError } from '../../../engine/task.ts';
import { shownPath } from '../../tables/csv.ts';
import type { Tensors } from '../models/models.ts';

export interface SafetensorsFile {
  /** In the order of their bytes in the file, values as float32. */
  readonly tensors: Tensors;
  readonly metadata: Record<string, string>;
}

/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA = '__metadata__';

/** Reads a file. F32 is exact; F16 and BF16 widen exactly; F64 and I64 round to float32. Errors: `decodeSafetensors`'s. */
export function readSafetensors(path: string): SafetensorsFile {
  return decodeSafetensors(readFileSync(path), shownPath(path));
}

/** Decodes the bytes of a file. Throws an InputError that opens with `where` when the bytes are not well-formed safetensors. */
export function decodeSafetensors(bytes: Uint8Array, where: string): SafetensorsFile {
  const { header, body } = split(bytes, where);
  const { [METADATA]: rawMetadata, ...entries } = header;
  const metadata = checkMetadata(rawMetadata, where);
  const found = Object.entries(entries).map(([name, raw]) => checkEntry(name, raw, where));
  found.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { name, begin, end } of found) {
    if (begin !== position) throw malformed(where, `tensor "${name}" starts at byte ${begin}, expected ${position}`);
    position = end;
  }
  if (position !== body.length) throw malformed(where, `the tensors end at byte ${position} of ${body.length}`);
  const tensors: Tensors = new Map();
  for (const { name, shape, type, begin, end } of found) {
    tensors.set(name, { shape, data: type.read(body.subarray(begin, end)) });
  }
  return { tensors, metadata };
}

/**
 * Writes float32 tensors in the order of the map, tensor by tensor (no copy of the whole), and syncs the file to disk.
 * The same tensors and metadata give the same bytes.
 */
export function writeSafetensors(path: string, tensors: Tensors, metadata: Record<string, string> = {}): void {
  const file = openSync(path, 'w');
  try {
    for (const piece of pieces(tensors, metadata)) writeAll(file, piece);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The bytes that `writeSafetensors` writes. */
export function encodeSafetensors(tensors: Tensors, metadata: Record<string, string> = {}): Uint8Array {
  return Buffer.concat([...pieces(tensors, metadata)]);
}

function* pieces(tensors: Tensors, metadata: Record<string, string>): Iterable<Uint8Array> {
  const fields = Object.keys(metadata).length === 0 ? [] : [`"${METADATA}":${JSON.stringify(metadata)}`];
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    if (name === METADATA) throw new Error(`internal error: a tensor named ${METADATA}`);
    if (count(shape) !== data.length) {
      throw new Error(`internal error: tensor "${name}" has shape [${shape}] and ${data.length} values`);
    }
    const entry = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    offset += data.byteLength;
  }
  const json = Buffer.from(`{${fields.join(',')}}`);
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' '); // Padded with spaces, so that the data is aligned.
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  yield header;
  for (const { data } of tensors.values()) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30));
}

function split(bytes: Uint8Array, where: string): { header: Record<string, unknown>; body: Uint8Array } {
  if (looksPickled(bytes)) {
    throw malformed(where, 'it is what torch.save writes; save the state dictionary with safetensors.torch.save_file');
  }
  if (bytes.length < 8) throw malformed(where, `${bytes.length} bytes are too few for a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(Math.min(bytes.length - 8, MAX_HEADER_BYTES))) {
    throw malformed(where, `its header claims ${length} bytes of the file's ${bytes.length}`);
  }
  const end = 8 + Number(length);
  return { header: parseHeader(bytes.subarray(8, end), where), body: bytes.subarray(end) };
}

/** A zip since PyTorch 1.6, a bare pickle before; as a header's length either would be absurd. */
function looksPickled(bytes: Uint8Array): boolean {
  const magic = Buffer.from(bytes.subarray(0, 4)).toString('latin1');
  return magic === 'PK\x03\x04' || (magic.startsWith('\x80\x02') && bytes.length > 8 && bytes[7] !== 0);
}

function parseHeader(bytes: Uint8Array, where: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
    if (isObject(header)) return header;
  } catch {
    // Said below, in our words.
  }
  throw malformed(where, 'its header is not a JSON object');
}

function checkMetadata(raw: unknown, where: string): Record<string, string> {
  if (raw === undefined) return {};
  if (isObject(raw) && Object.values(raw).every((value) => typeof value === 'string')) {
    return raw as Record<string, string>;
  }
  throw malformed(where, 'its metadata is not an object of strings');
}

interface Entry {
  readonly name: string;
  readonly type: DataType;
  readonly shape: number[];
  readonly begin: number;
  readonly end: number;
}

function checkEntry(name: string, raw: unknown, where: string): Entry {
  if (!isObject(raw)) throw malformed(where, `the entry of tensor "${name}" is not an object`);
  const { dtype, shape, data_offsets: offsets } = raw;
  const type = typeof dtype === 'string' ? TYPES.get(dtype) : undefined;
  if (type === undefined) {
    throw malformed(
      where,
      `tensor "${name}" has type ${JSON.stringify(dtype)}; read are ${[...TYPES.keys()].join(', ')}`,
    );
  }
  if (!isSizes(shape)) throw malformed(where, `tensor "${name}" has shape ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw malformed(where, `tensor "${name}" has offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  if (count(shape) * type.bytes !== end - begin) {
    throw malformed(where, `tensor "${name}", ${dtype} [${shape}], has ${end - begin} bytes`);
  }
  return { name, type, shape, begin, end };
}

interface DataType {
  readonly bytes: number;
  read(bytes: Uint8Array): Float32Array;
}

const TYPES = new Map<string, DataType>([
  ['F32', { bytes: 4, read: (bytes) => new Float32Array(aligned(bytes)) }],
  ['F64', { bytes: 8, read: (bytes) => Float32Array.from(new Float64Array(aligned(bytes))) }],
  ['F16', { bytes: 2, read: (bytes) => Float32Array.from(new Uint16Array(aligned(bytes)), halfToFloat) }],
  ['BF16', { bytes: 2, read: readBfloat }],
  ['I64', { bytes: 8, read: (bytes) => Float32Array.from(new BigInt64Array(aligned(bytes)), Number) }],
]);

/** A copy of its own, since a typed array must start at a multiple of its size (and a Buffer's `slice` is no copy). */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/** A bfloat16 is the upper half of a float32. */
function readBfloat(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint32Array.from(new Uint16Array(aligned(bytes)), (half) => half << 16).buffer);
}

/** IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(where: string, what: string): InputError {
  return new InputError(`${where}: not a safetensors file that can be read: ${what}`);
}
