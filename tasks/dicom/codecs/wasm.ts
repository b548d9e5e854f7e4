// The codecs that are WebAssembly: Cornerstone's builds of libjpeg-turbo, CharLS, OpenJPEG and OpenJPH, by their common interface.
// A stream's size is read before it is handed over: a decoder allocates what the stream claims.
import { checkFrame, type Decode, isCrash } from './frame.ts';
import { readJpeg2000Header } from './jpeg2000Header.ts';
import { readJpegHeader } from './jpegStream.ts';

interface Decoder {
  getEncodedBuffer(bytes: number): Uint8Array;
  decode(): void;
  getDecodedBuffer(): Uint8Array;
  delete(): void;
}
type DecoderClass = new () => Decoder;
type Module = Readonly<Record<string, DecoderClass>>;
type Package = { readonly default: (options: object) => Promise<Module> };
type ReadHeader = (stream: Uint8Array) => Parameters<typeof checkFrame>[1];

export async function loadJpeg8(): Promise<Decode> {
  return start(await import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'), readJpegHeader);
}

export async function loadJpegLs(): Promise<Decode> {
  return start(await import('@cornerstonejs/codec-charls/decodewasmjs'), readJpegHeader);
}

export async function loadJpeg2000(): Promise<Decode> {
  return start(await import('@cornerstonejs/codec-openjpeg/decodewasmjs'), readJpeg2000Header);
}

export async function loadHtj2k(): Promise<Decode> {
  return start(await import('@cornerstonejs/codec-openjph/wasmjs'), readJpeg2000Header);
}

/** A new instance of the module, with a memory of its own. */
async function start({ default: factory }: Package, readHeader: ReadHeader): Promise<Decode> {
  // The object becomes the module itself, so each needs its own. The printers silence what the libraries say of a stream that
  // they refuse: the error says it.
  const module = await factory({ print: () => {}, printErr: () => {} });
  const [, DecoderOf] = Object.entries(module).find(([name]) => /^[A-Z]\w*Decoder$/.test(name))!;
  return decoderOf(DecoderOf, readHeader);
}

function decoderOf(DecoderOf: DecoderClass, readHeader: ReadHeader): Decode {
  return (stream, frame) => {
    const header = readHeader(stream);
    checkFrame(frame, header);
    const decoder = new DecoderOf();
    decoder.getEncodedBuffer(stream.length).set(stream);
    try {
      decoder.decode();
    } catch (error) {
      if (isCrash(error)) throw error; // Its memory is lost, and cannot be freed.
      decoder.delete();
      // C++ exceptions come as numbers, addresses of what was thrown.
      throw new Error(error instanceof Error ? error.message : 'the decoder refuses the stream');
    }
    // A copy: the module's memory is the decoder's, which is deleted here.
    const bytes = decoder.getDecodedBuffer().slice();
    decoder.delete();
    return header.bits <= 8 ? bytes : new Uint16Array(bytes.buffer, 0, bytes.length >> 1);
  };
}
