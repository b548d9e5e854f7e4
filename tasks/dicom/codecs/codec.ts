// The table of codecs. They load when the first file needs them, and a codec whose WebAssembly crashed is loaded anew, for its
// memory is in no state that one can rely on.
import { type CodecName, type Decode, isCrash } from './frame.ts';

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
