// Writes DICOM Part 10 files (PS3.10): preamble, file meta group, then the data set in one of the three uncompressed
// transfer syntaxes. Only what the phantom and the tests need: flat data sets, no sequences, no encapsulated pixels.

export type Vr = 'CS' | 'DA' | 'DS' | 'IS' | 'LO' | 'OW' | 'PN' | 'SH' | 'TM' | 'UI' | 'US' | 'SS';

/** One data element. `tag` is the group and element as one number, e.g. 0x00280010. */
export interface ElementToWrite {
  readonly tag: number;
  readonly vr: Vr;
  /** Text (several values: an array), numbers for US and SS, 16-bit words for OW. */
  readonly value: string | readonly string[] | readonly number[] | Int16Array | Uint16Array;
}

const UNCOMPRESSED_SYNTAXES = {
  'implicit-little': '1.2.840.10008.1.2',
  'explicit-little': '1.2.840.10008.1.2.1',
  'explicit-big': '1.2.840.10008.1.2.2',
} as const;

export type UncompressedSyntax = keyof typeof UNCOMPRESSED_SYNTAXES;

export interface DicomFile {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly elements: readonly ElementToWrite[];
  readonly syntax?: UncompressedSyntax;
}

// Ours, under the UUID-derived root; names the writer, as PS3.10 asks (0002,0012).
const IMPLEMENTATION_CLASS_UID = '2.25.210427379480264186143205783364071826';

/** The bytes of a Part 10 file; elements are written in ascending order of their tags. */
export function encodeDicom(file: DicomFile): Buffer {
  const syntax = file.syntax ?? 'explicit-little';
  const body = [...file.elements].sort((a, b) => a.tag - b.tag).map((element) => encodeElement(element, syntax));
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM', 'latin1'), encodeMeta(file, syntax), ...body]);
}

function encodeMeta(file: DicomFile, syntax: UncompressedSyntax): Buffer {
  const version = Buffer.from([0x02, 0x00, 0x00, 0x00, 0x4f, 0x42, 0, 0, 2, 0, 0, 0, 0, 1]);
  version.writeUInt16LE(0x0001, 2); // (0002,0001) OB, two bytes: version 1.
  const rest = Buffer.concat([
    version,
    ...(
      [
        { tag: 0x00020002, vr: 'UI', value: file.sopClassUid },
        { tag: 0x00020003, vr: 'UI', value: file.sopInstanceUid },
        { tag: 0x00020010, vr: 'UI', value: UNCOMPRESSED_SYNTAXES[syntax] },
        { tag: 0x00020012, vr: 'UI', value: IMPLEMENTATION_CLASS_UID },
        { tag: 0x00020013, vr: 'SH', value: 'DAG_PHANTOM' },
      ] satisfies ElementToWrite[]
    ).map((element) => encodeElement(element, 'explicit-little')),
  ]);
  const groupLength = Buffer.from([0x02, 0x00, 0x00, 0x00, 0x55, 0x4c, 4, 0, 0, 0, 0, 0]);
  groupLength.writeUInt32LE(rest.length, 8);
  return Buffer.concat([groupLength, rest]);
}

function encodeElement(element: ElementToWrite, syntax: UncompressedSyntax): Buffer {
  const big = syntax === 'explicit-big';
  const value = encodeValue(element, big);
  const long = syntax !== 'implicit-little' && element.vr === 'OW';
  const header = Buffer.alloc(long ? 12 : 8);
  writeUint16(header, element.tag >>> 16, 0, big);
  writeUint16(header, element.tag & 0xffff, 2, big);
  if (syntax === 'implicit-little') {
    header.writeUInt32LE(value.length, 4);
    return Buffer.concat([header, value]);
  }
  header.write(element.vr, 4, 'latin1');
  if (!long) writeUint16(header, value.length, 6, big);
  else if (big) header.writeUInt32BE(value.length, 8);
  else header.writeUInt32LE(value.length, 8);
  return Buffer.concat([header, value]);
}

function writeUint16(buffer: Buffer, value: number, offset: number, big: boolean): void {
  if (big) buffer.writeUInt16BE(value, offset);
  else buffer.writeUInt16LE(value, offset);
}

function encodeValue({ vr, value }: ElementToWrite, big: boolean): Buffer {
  if (vr === 'US' || vr === 'SS' || vr === 'OW') return encodeWords(value as ArrayLike<number>, big);
  const text = typeof value === 'string' ? value : (value as readonly string[]).join('\\');
  // A value has even length; UIDs are padded with a null, text with a space (PS3.5, 6.2).
  const padded = text.length % 2 === 0 ? text : text + (vr === 'UI' ? '\0' : ' ');
  return Buffer.from(padded, 'latin1');
}

function encodeWords(words: ArrayLike<number>, big: boolean): Buffer {
  const bytes = Buffer.alloc(words.length * 2);
  for (let i = 0; i < words.length; i++) writeUint16(bytes, words[i]! & 0xffff, 2 * i, big);
  return bytes;
}
