// Deflated files (PS3.5, A.5): all after the file meta group is one raw deflate stream. Such a file becomes the explicit little
// endian file that it was before, and is read as that.
import { constants, inflateRawSync } from 'node:zlib';
import dicomParser from 'dicom-parser';
import { DEFLATED } from './syntax.ts';

/** The syntax stands within the file meta group, which begins at byte 132 and is some 200 bytes long. */
const META_BYTES = 1024;
/** A CT slice has half a megabyte; what inflates to more than this is no slice. */
const MOST_BYTES = 2 ** 26;
const EXPLICIT_LITTLE = '1.2.840.10008.1.2.1\0\0\0';

export function isDeflated(bytes: Uint8Array): boolean {
  return placeOfSyntax(bytes) >= 0;
}

function placeOfSyntax(bytes: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, META_BYTES)).indexOf(
    DEFLATED,
    132,
    'latin1',
  );
}

/** A stream that was cut off gives what there is of it: what is missing will be found missing. */
export function inflateFile(bytes: Uint8Array): Uint8Array | { reason: string } {
  try {
    const { position } = dicomParser.readPart10Header(bytes) as unknown as { position: number };
    // Where the group says it ends, which in a damaged file may be anywhere.
    if (!(position <= bytes.length)) return { reason: 'its header is cut off' };
    const options = { maxOutputLength: MOST_BYTES, finishFlush: constants.Z_SYNC_FLUSH };
    const body = inflateRawSync(bytes.subarray(position), options);
    // Not concat, which may take the bytes from a pool: pixels are looked at in words, from an even address.
    const file = Buffer.alloc(position + body.length);
    file.set(bytes.subarray(0, position));
    file.set(body, position);
    file.write(EXPLICIT_LITTLE, placeOfSyntax(bytes), 'latin1');
    return file;
  } catch (error) {
    const isLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    return { reason: isLarge ? `it inflates to more than ${MOST_BYTES >> 20} MiB` : 'its deflated data are damaged' };
  }
}
