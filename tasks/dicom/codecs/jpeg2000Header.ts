// The size of a JPEG 2000 codestream (ISO 15444-1, A.5.1, SIZ), HTJ2K included, without decoding anything.

export interface Jpeg2000Header {
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  readonly bits: number;
}

// Start of codestream, then SIZ. DICOM wants the bare codestream; some writers put it into a JP2 file's boxes.
const START = Buffer.from([0xff, 0x4f, 0xff, 0x51]);
const BOXES_BYTES = 1024;
const SIZ_BYTES = 45;

export function readJpeg2000Header(stream: Uint8Array): Jpeg2000Header {
  const head = Buffer.from(stream.buffer, stream.byteOffset, Math.min(stream.length, BOXES_BYTES));
  const at = head.indexOf(START);
  if (at < 0) throw new Error('it is no JPEG 2000 codestream');
  if (at + SIZ_BYTES > stream.length) throw new Error('its JPEG 2000 header is cut off');
  const view = new DataView(stream.buffer, stream.byteOffset + at);
  return {
    columns: view.getUint32(8) - view.getUint32(16),
    rows: view.getUint32(12) - view.getUint32(20),
    components: view.getUint16(40),
    bits: (view.getUint8(42) & 0x7f) + 1,
  };
}
