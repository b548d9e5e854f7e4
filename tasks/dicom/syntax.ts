// The transfer syntaxes that are read (PS3.5, annex A), and how the pixels of each are stored.

import type { CodecName } from './codecs/frame.ts';

export interface TransferSyntax {
  readonly name: string;
  readonly bigEndian?: true;
  /** The whole data set is deflated, not the pixels alone. */
  readonly deflated?: true;
  /** What decodes the pixels, which then lie in fragments; absent where they are stored as they are. */
  readonly codec?: CodecName;
}

export const DEFLATED = '1.2.840.10008.1.2.1.99';

export const TRANSFER_SYNTAXES: ReadonlyMap<string, TransferSyntax> = new Map<string, TransferSyntax>([
  ['1.2.840.10008.1.2', { name: 'implicit little endian' }],
  ['1.2.840.10008.1.2.1', { name: 'explicit little endian' }],
  ['1.2.840.10008.1.2.2', { name: 'explicit big endian', bigEndian: true }],
  [DEFLATED, { name: 'deflated', deflated: true }],
  ['1.2.840.10008.1.2.5', { name: 'RLE', codec: 'rle' }],
  ['1.2.840.10008.1.2.4.50', { name: 'JPEG baseline', codec: 'jpeg' }],
  ['1.2.840.10008.1.2.4.51', { name: 'JPEG extended', codec: 'jpeg' }],
  ['1.2.840.10008.1.2.4.57', { name: 'JPEG lossless', codec: 'jpeg' }],
  ['1.2.840.10008.1.2.4.70', { name: 'JPEG lossless, first-order prediction', codec: 'jpeg' }],
  ['1.2.840.10008.1.2.4.80', { name: 'JPEG-LS lossless', codec: 'jpegLs' }],
  ['1.2.840.10008.1.2.4.81', { name: 'JPEG-LS near-lossless', codec: 'jpegLs' }],
  ['1.2.840.10008.1.2.4.90', { name: 'JPEG 2000 lossless', codec: 'jpeg2000' }],
  ['1.2.840.10008.1.2.4.91', { name: 'JPEG 2000', codec: 'jpeg2000' }],
  ['1.2.840.10008.1.2.4.201', { name: 'HTJ2K lossless', codec: 'htj2k' }],
  ['1.2.840.10008.1.2.4.202', { name: 'HTJ2K lossless, RPCL', codec: 'htj2k' }],
  ['1.2.840.10008.1.2.4.203', { name: 'HTJ2K', codec: 'htj2k' }],
]);
