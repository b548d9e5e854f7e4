// Many named tensors as one flat vector: a training step hands the runtime three large vectors instead of a thousand
// small ones, and a checkpoint names them again.
import { type Shape, sizeOf } from '../graph/graph.ts';
import type { Tensors } from './models.ts';

export interface Slot {
  readonly name: string;
  readonly shape: Shape;
  /** Place of the first value in the vector, and of the first after the last. */
  readonly start: number;
  readonly end: number;
}

export interface Layout {
  readonly slots: readonly Slot[];
  readonly length: number;
}

export function layoutOf(declared: readonly { readonly name: string; readonly shape: Shape }[]): Layout {
  const slots: Slot[] = [];
  let length = 0;
  for (const { name, shape } of declared) {
    const end = length + sizeOf(shape);
    slots.push({ name, shape, start: length, end });
    length = end;
  }
  return { slots, length };
}

/** Copies the tensors into `vector`. Throws where one is missing or has another shape. */
export function pack(layout: Layout, tensors: Tensors, vector: Float32Array, prefix = ''): void {
  for (const { name, shape, start, end } of layout.slots) {
    const tensor = tensors.get(prefix + name);
    if (tensor === undefined) throw new Error(`weights: there is no tensor "${prefix}${name}"`);
    if (tensor.data.length !== end - start || tensor.shape.join() !== shape.join()) {
      throw new Error(`weights: "${prefix}${name}" has shape [${tensor.shape}], the network needs [${shape}]`);
    }
    vector.set(tensor.data, start);
  }
}

/** Copies of the tensors of `vector`, added to `tensors`. */
export function unpack(layout: Layout, vector: Float32Array, tensors: Tensors, prefix = ''): void {
  for (const { name, shape, start, end } of layout.slots) {
    tensors.set(prefix + name, { shape: [...shape], data: vector.slice(start, end) });
  }
}
