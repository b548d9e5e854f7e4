// Finds out how this processor's ONNX Runtime blocks channels in its NCHWc layout (16 with AVX-512, 8 with AVX2, none on
// some), by running a tiny depthwise convolution both ways and comparing with the plain operator.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { createEmitter } from './emitter.ts';

const C = 32;
const SIDE = 4;

let known: Promise<number> | undefined;

/** Channels a block; 1 where the layout is not to be had. */
export function blockSize(): Promise<number> {
  known ??= probe();
  return known;
}

async function probe(): Promise<number> {
  const plain = await run(null);
  for (const block of [16, 8]) {
    const blocked = await run(block).catch(() => null);
    if (blocked?.every((value, i) => Math.abs(value - plain[i]!) < 1e-5)) return block;
  }
  return 1;
}

async function run(block: number | null): Promise<Float32Array> {
  const e = createEmitter();
  const x = e.input('x', [1, C, SIDE, SIDE]);
  const w = e.input('w', [C, 1, 3, 3]);
  const attributes = { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], group: C };
  e.output('y', block === null ? e.emit('Conv', [x, w], attributes) : blocked(block), [1, C, SIDE, SIDE]);
  function blocked(b: number): string {
    const domain = 'com.microsoft.nchwc';
    const rows = e.reshape(w, [C / b, b, 9]);
    const turned = e.reshape(e.emit('Transpose', [rows], { perm: [0, 2, 1] }), [C, 1, 3, 3]);
    const y = e.emit('Conv', [e.emit('ReorderInput', [x], { channels_last: 0 }, domain), turned], attributes, domain);
    return e.emit('ReorderOutput', [y], { channels: C, channels_last: 0 }, domain);
  }
  const session = await InferenceSession.create(e.encode(), { intraOpNumThreads: 1, logSeverityLevel: 4 });
  const ramp = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7));
  const result = await session.run({
    x: new Tensor('float32', ramp(C * SIDE * SIDE), [1, C, SIDE, SIDE]),
    w: new Tensor('float32', ramp(C * 9), [C, 1, 3, 3]),
  });
  await session.release();
  return Float32Array.from(result.y!.data as Float32Array);
}
