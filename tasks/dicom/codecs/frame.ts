// What a codec is: the compressed bytes of one greyscale frame to its samples; and what every codec refuses.

export type CodecName = 'rle' | 'jpeg' | 'jpegLs' | 'jpeg2000' | 'htj2k';

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
