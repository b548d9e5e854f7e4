// Reproducible numbers that the Python oracle (test/oracles/learning/mixed.py) computes alike, bit for bit.
import { sizeOf } from '../../../tasks/learning/graph/graph.ts';
import { buildModel } from '../../../tasks/learning/models/models.ts';
import type { ModelSpec, Tensors } from '../../../tasks/learning/training/trainer.ts';

/** A mixed 32-bit hash of the index, as numbers in [-1, 1). */
export function mixed(length: number, seed: number): Float64Array {
  const values = new Float64Array(length); // A plain loop: networks have fifty million of them.
  for (let i = 0; i < length; i++) {
    let z = (i + Math.imul(seed, 0x9e3779b1)) >>> 0;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad) >>> 0;
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97) >>> 0;
    values[i] = ((z ^ (z >>> 15)) >>> 0) / 2147483648 - 1;
  }
  return values;
}

/** A network's shapes in the order of PyTorch's state dictionary, which is that of declaration. */
export function shapesOf(spec: ModelSpec): Record<string, number[]> {
  const { net } = buildModel(spec, 'infer', 1);
  const declared = [...net.parameters, ...net.buffers].sort((a, b) => a.node.id - b.node.id);
  return Object.fromEntries(declared.map(({ name, shape }) => [name, [...shape]]));
}

/** The weights that the oracle gives a network: by each tensor's place in PyTorch's state dictionary. */
export function filledWeights(shapes: Readonly<Record<string, number[]>>): Tensors {
  return new Map(
    Object.entries(shapes).map(([name, shape], place) => {
      const values = mixed(sizeOf(shape), place + 1);
      const { factor, offset } = scaling(name, shape);
      const data = new Float32Array(values.length);
      for (let i = 0; i < data.length; i++) data[i] = offset + factor * values[i]!;
      return [name, { shape, data }];
    }),
  );
}

/** As the oracle's `keep_signal`: EfficientNet's logits then depend on the image. */
export function keepSignal(weights: Tensors): Tensors {
  const kept = new Map(weights);
  for (const [name, tensor] of weights) {
    if (!/^features\.\d\.0\.block\.[23]\.1\.running_var$/.test(name)) continue;
    kept.set(name, { ...tensor, data: tensor.data.map((value) => value / 32) });
  }
  return kept;
}

function scaling(name: string, shape: readonly number[]): { factor: number; offset: number } {
  if (shape.length > 1) return { factor: Math.sqrt(3 / (sizeOf(shape) / shape[0]!)), offset: 0 };
  if (name.endsWith('running_var') || name.endsWith('weight')) return { factor: 0.25, offset: 1 };
  return { factor: 0.1, offset: 0 };
}
