// What a codec is: the compressed bytes of one greyscale frame to its samples. Codecs load when the first file needs them, and
// a codec whose WebAssembly crashed is loaded anew, for its memory is in no state that one can rely on.
import type { CodecName } from '../syntax.ts';

/** What the header promises; a stream that says otherwise is refused before anything is allocated for it. */
export interface Frame {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: 8 | 16;
}

export type Samples = Uint8Array | Uint16Array;

/**
 * Row-major samples by their bits (signed ones are not told apart). A view that may hold until the codec's next call only.
 * Throws an Error whose message says what is wrong with the stream.
 */
export type Decode = (stream: Uint8Array, frame: Frame) => Samples;

const loaders: Readonly<Record<CodecName, () => Promise<Decode>>> = {
  rle: async () => (await import('./rle.ts')).decodeRle,
  jpeg: async () => (await import('./jpeg.ts')).loadJpeg(),
  jpegLs: async () => (await import('./wasm.ts')).loadJpegLs(),
  jpeg2000: async () => (await import('./wasm.ts')).loadJpeg2000(),
  htj2k: async () => (await import('./wasm.ts')).loadHtj2k(),
};

const loaded = new Map<CodecName, Decode>();

/** Undefined until `loadCodec` has loaded it: so that who needs it may decide what to keep meanwhile. */
export function codecOf(name: CodecName): Decode | undefined {
  return loaded.get(name);
}

export async function loadCodec(name: CodecName): Promise<void> {
  const decode = await loaders[name]();
  loaded.set(name, (stream, frame) => {
    try {
      const samples = decode(stream, frame);
      if (samples.length !== frame.rows * frame.columns) {
        throw new Error(`${samples.length} samples for ${frame.rows} x ${frame.columns} pixels`);
      }
      return samples;
    } catch (error) {
      if (isCrash(error)) loaded.delete(name);
      throw error;
    }
  });
}

/** A trap or abort of WebAssembly, after which the module's memory cannot be relied on; a C++ exception is none. */
export function isCrash(error: unknown): boolean {
  return error instanceof Error && error.name === 'RuntimeError';
}

/** Refuses a stream whose own header contradicts the file's. */
export function checkFrame(
  frame: Frame,
  stream: { readonly rows: number; readonly columns: number; readonly components: number; readonly bits: number },
): void {
  if (stream.rows !== frame.rows || stream.columns !== frame.columns) {
    throw new Error(
      `the stream has ${stream.rows} x ${stream.columns} pixels, the header ${frame.rows} x ${frame.columns}`,
    );
  }
  if (stream.components !== 1) throw new Error(`the stream has ${stream.components} components, expected 1`);
  if (stream.bits < 2 || stream.bits > 16) throw new Error(`the stream has ${stream.bits} bits a sample`);
}
