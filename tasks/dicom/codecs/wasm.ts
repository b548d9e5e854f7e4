// The codecs that are WebAssembly: Cornerstone's builds of libjpeg-turbo, CharLS, OpenJPEG and OpenJPH, by their common interface.
// A stream's size is read before it is handed over: a decoder allocates what the stream claims.
import { checkFrame, type Decode, type Samples } from './codec.ts';
import { readJpeg2000Header } from './jpeg2000Header.ts';
import { readJpegHeader } from './jpegStream.ts';

interface Decoder {
  getEncodedBuffer(bytes: number): Uint8Array;
  decode(): void;
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): { width: number; height: number; bitsPerSample: number; componentCount: number };
  delete(): void;
}
type DecoderClass = new () => Decoder;
type Factory<Name extends string> = (options: object) => Promise<Record<Name, DecoderClass>>;

/** Silences what the libraries print: what they find wrong is said by the error. */
const QUIET = { print: () => {}, printErr: () => {} };

export async function loadJpeg8(): Promise<Decode> {
  const { default: factory } = await import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs');
  const { JPEGDecoder } = await (factory as Factory<'JPEGDecoder'>)(QUIET);
  return (stream) => run(JPEGDecoder, stream, 8);
}

export async function loadJpegLs(): Promise<Decode> {
  const { default: factory } = await import('@cornerstonejs/codec-charls/decodewasmjs');
  const { JpegLSDecoder } = await (factory as Factory<'JpegLSDecoder'>)(QUIET);
  return (stream, frame) => {
    const header = readJpegHeader(stream);
    checkFrame(frame, header);
    return run(JpegLSDecoder, stream, header.bits);
  };
}

export async function loadJpeg2000(): Promise<Decode> {
  const { default: factory } = await import('@cornerstonejs/codec-openjpeg/decodewasmjs');
  const { J2KDecoder } = await (factory as Factory<'J2KDecoder'>)(QUIET);
  return (stream, frame) => {
    const header = readJpeg2000Header(stream);
    checkFrame(frame, header);
    return run(J2KDecoder, stream, header.bits);
  };
}

export async function loadHtj2k(): Promise<Decode> {
  const { default: factory } = await import('@cornerstonejs/codec-openjph/wasmjs');
  const { HTJ2KDecoder } = await (factory as Factory<'HTJ2KDecoder'>)(QUIET);
  return (stream, frame) => {
    const header = readJpeg2000Header(stream);
    checkFrame(frame, header);
    return run(HTJ2KDecoder, stream, header.bits);
  };
}

function run(DecoderOf: DecoderClass, stream: Uint8Array, bits: number): Samples {
  const decoder = new DecoderOf();
  try {
    decoder.getEncodedBuffer(stream.length).set(stream);
    decoder.decode();
    const bytes = decoder.getDecodedBuffer();
    // A copy: the module's memory is the decoder's, which is deleted here.
    const copy = bytes.slice();
    return bits <= 8 ? copy : new Uint16Array(copy.buffer, 0, copy.length >> 1);
  } catch (error) {
    throw new Error(error instanceof Error ? error.message : 'the decoder refuses it');
  } finally {
    decoder.delete();
  }
}
