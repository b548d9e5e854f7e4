// JPEG in the three processes that DICOM uses: sequential of 8 bits, sequential of 12 bits, and lossless. The stream says
// which it is, not the transfer syntax.
import { checkFrame, type Decode } from './frame.ts';
import { decodeJpeg12 } from './jpeg12.ts';
import { decodeJpegLossless } from './jpegLossless.ts';
import { readJpegHeader } from './jpegStream.ts';
import { loadJpeg8 } from './wasm.ts';

export async function loadJpeg(): Promise<Decode> {
  const decodeJpeg8 = await loadJpeg8();
  return (stream, frame) => {
    const header = readJpegHeader(stream);
    checkFrame(frame, header);
    if (header.process === 0xc3) return decodeJpegLossless(stream);
    if (header.bits === 8 && header.process <= 0xc2) return decodeJpeg8(stream, frame);
    if (header.bits === 12 && header.process === 0xc1) return decodeJpeg12(stream);
    throw new Error(
      `JPEG of ${header.bits} bits in process FF${header.process.toString(16).toUpperCase()} is not read`,
    );
  };
}
