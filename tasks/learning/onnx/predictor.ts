// Runs an exported network: logits for batches of any size.
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { readMetadata } from './encode.ts';

export interface Predictor {
  /** Side of the square input, in pixels. */
  readonly inputSize: number;
  readonly metadata: Record<string, string>;
  /** x (n,3,S,S) → logits (n,classes). Throws where x is too short. */
  predict(x: Float32Array, n: number): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface PredictorOptions {
  readonly threads: number;
  /** onnxruntime-node's; the CPU alone where absent. */
  readonly executionProviders?: InferenceSession.SessionOptions['executionProviders'];
}

/** From a file's path or its bytes. Throws where it is not a model of ours. */
export async function createPredictor(
  onnx: Uint8Array | string,
  { threads, executionProviders }: PredictorOptions,
): Promise<Predictor> {
  const bytes = typeof onnx === 'string' ? await readFile(onnx) : onnx;
  const metadata = readMetadata(bytes);
  const session = await InferenceSession.create(bytes, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    enableMemPattern: false,
    logSeverityLevel: 3,
    ...(executionProviders && { executionProviders }),
  });
  const input = session.inputMetadata[0];
  if (input === undefined || !input.isTensor || input.shape.length !== 4) {
    throw new Error('model: its input is not a batch of images (batch,3,S,S)');
  }
  const [, channels, side] = input.shape as [string, number, number];
  return {
    inputSize: side,
    metadata,
    async predict(x, n) {
      const length = n * channels * side * side;
      if (x.length < length)
        throw new Error(`predict: ${n} images of ${side} pixels need ${length} values, got ${x.length}`);
      const feeds = { [input.name]: new Tensor('float32', x.subarray(0, length), [n, channels, side, side]) };
      const result = await session.run(feeds);
      return Float32Array.from(result[session.outputNames[0]!]!.data as Float32Array);
    },
    close: () => session.release(),
  };
}
