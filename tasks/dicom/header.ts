// Reads a DICOM file's header and nothing else: the first page of the file, more only where the header is longer.
// dicom-parser throws bare strings; here they become a reason that a person can act on.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import dicomParser, { type DataSet } from 'dicom-parser';
import { inflateFile, isDeflated } from './inflate.ts';
import { DEFLATED } from './syntax.ts';

const PIXEL_DATA = 'x7fe00010';

export interface Header {
  readonly dataSet: DataSet;
  /** The file's first bytes, or all of them; of a deflated file what they inflate to. */
  readonly bytes: Uint8Array;
  readonly transferSyntax: string;
  /** Of the whole file; of a deflated one inflated. */
  readonly fileBytes: number;
  /** Where the pixel data begin and how long they say they are (0xffffffff: encapsulated); null where there are none. */
  readonly pixels: { readonly offset: number; readonly lengthBytes: number } | null;
}

/** A file that cannot be read as DICOM, as a value: it may well happen. */
export interface Unreadable {
  readonly reason: string;
}

/** Several hundred times a CT slice: what is larger is no slice, and is not read into memory. */
export const MOST_FILE_BYTES = 2 ** 28;

// The competition's headers are about 1 kB, clinical ones 3 to 10 kB. Longer ones are read again, eight times as far.
const FIRST_READ_BYTES = 16 * 1024;
const PREAMBLE_BYTES = 132;
let page = Buffer.alloc(FIRST_READ_BYTES);

export function readHeader(path: string): Header | Unreadable {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    if (size > MOST_FILE_BYTES) return tooLarge(size);
    for (let want = FIRST_READ_BYTES; ; want *= 8) {
      const bytes = readStart(file, Math.min(want, size));
      const found = parseHeader(bytes, size);
      if ('dataSet' in found && (found.pixels || want >= size)) return found;
      if (want >= size || !hasMagic(bytes)) return found;
    }
  } finally {
    closeSync(file);
  }
}

export function tooLarge(fileBytes: number): Unreadable {
  return { reason: `the file has ${Math.round(fileBytes / 2 ** 20)} MiB, more than any CT slice` };
}

/** Parses a file's first bytes, or all of them, up to the pixel data. */
export function parseHeader(bytes: Uint8Array, fileBytes: number): Header | Unreadable {
  if (fileBytes === 0) return { reason: 'the file is empty' };
  if (!hasMagic(bytes)) return { reason: 'it is not a DICOM file (no DICM at byte 128)' };
  if (isDeflated(bytes)) return parseDeflated(bytes, fileBytes);
  try {
    const dataSet = dicomParser.parseDicom(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), {
      untilTag: PIXEL_DATA,
      inflater: refuseInflation,
    });
    const element = dataSet.elements[PIXEL_DATA];
    return {
      dataSet,
      bytes,
      transferSyntax: dataSet.string('x00020010') ?? '',
      fileBytes,
      pixels: element ? { offset: element.dataOffset, lengthBytes: element.length } : null,
    };
  } catch (error) {
    return { reason: damageOf(error) };
  }
}

/** The library would inflate without a limit what `isDeflated` did not see. */
function refuseInflation(): never {
  throw new Error('its transfer syntax stands in a strange place');
}

/** A deflated file is inflated as a whole, so all of it must be there. */
function parseDeflated(bytes: Uint8Array, fileBytes: number): Header | Unreadable {
  if (bytes.length < fileBytes) return { reason: 'its header is cut off' };
  const inflated = inflateFile(bytes);
  if ('reason' in inflated) return inflated;
  const header = parseHeader(inflated, inflated.length);
  return 'reason' in header ? header : { ...header, transferSyntax: DEFLATED };
}

/** What dicom-parser's complaint means. Values are read late, so that a damaged one shows only when it is asked for. */
export function damageOf(error: unknown): string {
  const message = messageOf(error);
  const isCutOff = /past end|overrun|exceed|position/.test(message);
  return isCutOff ? 'its header is cut off' : `its header is damaged (${message})`;
}

/** One value as text, trimmed; undefined where the element is absent or empty. UTF-8 where the file declares it. */
export function textOf(dataSet: DataSet, tag: string, index = 0): string | undefined {
  const text = valuesOf(dataSet, tag)[index]?.trim();
  if (!text) return undefined;
  const isUtf8 = BEYOND_ASCII.test(text) && valuesOf(dataSet, 'x00080005').some((value) => value.includes('192'));
  return isUtf8 ? Buffer.from(text, 'latin1').toString('utf8') : text;
}

const BEYOND_ASCII = /[\x80-\xff]/;

/** The values of a decimal string, null where one is no number. */
export function decimalsOf(dataSet: DataSet, tag: string): (number | null)[] {
  return valuesOf(dataSet, tag).map((text) => {
    const value = Number.parseFloat(text);
    return Number.isFinite(value) ? value : null;
  });
}

/**
 * An element's values as they stand, up to the first null byte. Not by the library's `string`, which puts every value together
 * character by character, ten million times in a set of 750,000 files, and whose index fails on a value that is not there.
 */
function valuesOf({ elements, byteArray }: DataSet, tag: string): string[] {
  const element = elements[tag];
  if (!element || element.length <= 0) return [];
  const end = element.dataOffset + element.length;
  if (end > byteArray.length) throw new Error('a value runs past end of the header');
  const text = (byteArray as Buffer).toString('latin1', element.dataOffset, end);
  const stop = text.indexOf('\0');
  return (stop < 0 ? text : text.slice(0, stop)).split('\\');
}

function readStart(file: number, sizeBytes: number): Uint8Array {
  if (page.length < sizeBytes) page = Buffer.alloc(sizeBytes);
  let read = 0;
  while (read < sizeBytes) {
    const got = readSync(file, page, read, sizeBytes - read, read);
    if (got === 0) break;
    read += got;
  }
  return page.subarray(0, read);
}

function hasMagic(bytes: Uint8Array): boolean {
  return (
    bytes.length >= PREAMBLE_BYTES && Buffer.from(bytes.buffer, bytes.byteOffset + 128, 4).toString('latin1') === 'DICM'
  );
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : typeof error === 'string' ? error : describeObject(error);
  return text.replace(/^dicomParser\.?/, '');
}

// dicom-parser throws `{exception, dataSet}` from within a data set.
function describeObject(error: unknown): string {
  const inner = (error as { exception?: unknown } | null)?.exception;
  return inner === undefined ? 'unknown cause' : messageOf(inner);
}
