// A convolution's shifts of an image, as rows of channels (cpuLayout.ts): what its matrix products multiply. They are copies that
// one thread makes, so fewer and longer runs count.
import type { Shape } from '../graph/graph.ts';
import type { ConvAttributes } from '../ops/convolution.ts';
import { type CpuLayout, sidesOf } from './cpuLayout.ts';
import type { Lowering } from './lower.ts';

/** Whether the image that comes out has the sides of the one that went in. */
export const keepsSides = (k: number, { stride, pad }: ConvAttributes): boolean => stride === 1 && 2 * pad === k - 1;

/** The K·K shifts of x that a convolution multiplies, each (Cin, N·Ho·Wo). */
function taps(
  l: Lowering,
  x: string,
  xShape: Shape,
  yShape: Shape,
  k: number,
  { stride, pad }: ConvAttributes,
  layout: CpuLayout,
): string[] {
  const { c, groups, h, w } = sidesOf(xShape, layout);
  const y = sidesOf(yShape, layout);
  if (isHalved(xShape, yShape, stride, layout)) return halvedTaps(l, x, xShape, k, pad, layout);
  const open = l.reshape(x, [c * groups, h, w, layout.lanes]);
  const padded = pad === 0 ? open : l.emit('Pad', [open, l.ints([0, pad, pad, 0, 0, pad, pad, 0])]);
  const end = (from: number, count: number): number => from + (count - 1) * stride + 1;
  const each: string[] = [];
  for (let r = 0; r < k; r++)
    for (let s = 0; s < k; s++) {
      const ends = l.ints([end(r, y.h), end(s, y.w)]);
      const cut = l.emit('Slice', [padded, l.ints([r, s]), ends, l.ints([1, 2]), l.ints([stride, stride])]);
      each.push(l.reshape(cut, [c, y.columns]));
    }
  return each;
}

/** Columns up to which a product takes every second of them faster than a strided slice, which one thread copies. */
const MOST_HALVED = 64;

/** Whether `y` has half the sides of `x`, and is made of every second pixel by a product. */
export function isHalved(xShape: Shape, yShape: Shape, stride: number, layout: CpuLayout): boolean {
  const [[, , h, w], [, , ho, wo]] = [xShape, yShape] as [number[], number[]];
  return layout.lanes === 1 && stride === 2 && h === 2 * ho! && w === 2 * wo! && w! <= MOST_HALVED;
}

/** The taps of such a convolution: two rows of x, side by side, times a matrix of 0 and 1 that takes half of one of them. */
function halvedTaps(l: Lowering, x: string, xShape: Shape, k: number, pad: number, layout: CpuLayout): string[] {
  const { c, h, w, columns } = sidesOf(xShape, layout);
  const pairs = l.reshape(x, [(c * columns) / (2 * w), 2 * w]);
  const offsets = Array.from({ length: k }, (_, i) => i - pad);
  const ofRow = (row: number): string[] =>
    offsets.map((column) => l.emit('MatMul', [pairs, l.floats(everySecond(w, row, column), [2 * w, w / 2])]));
  const even = ofRow(0);
  const odd = k > 1 ? ofRow(1) : [];
  return offsets.flatMap((row) =>
    (row % 2 === 0 ? even : odd).map((taken) => {
      const shifted = moved(l, taken, (h * w) / 4, (Math.floor(row / 2) * w) / 2);
      return l.reshape(shifted, [c, columns / 4]);
    }),
  );
}

/** (2W, W/2): takes, of an even row and the odd one after it, each second pixel of one of them, from `column` on. */
function everySecond(w: number, row: number, column: number): Float32Array {
  const matrix = new Float32Array(w * w);
  for (let j = 0; j < w / 2; j++) {
    const from = 2 * j + column;
    if (from >= 0 && from < w) matrix[(row * w + from) * (w / 2) + j] = 1;
  }
  return matrix;
}

/** The other way: y at the even pixels of an image (of `xShape`), zeros at the others. */
export function spreadOut(l: Lowering, y: string, xShape: Shape, layout: CpuLayout): string {
  const { c, w, columns } = sidesOf(xShape, layout);
  const rows = l.reshape(y, [(columns * c) / (2 * w), w / 2]);
  const taken = l.floats(everySecond(w, 0, 0), [2 * w, w / 2]);
  return l.reshape(l.emit('FusedMatMul', [rows, taken], { transB: 1 }, 'com.microsoft'), [c, columns]);
}

/** The shifts one below the other: (K·K·Cin, N·Ho·Wo). */
export function shifts(
  l: Lowering,
  ...rest: Parameters<typeof taps> extends [Lowering, ...infer R] ? R : never
): string {
  const each = taps(l, ...rest);
  return each.length === 1 ? each[0]! : l.emit('Concat', each, { axis: 0 });
}

/**
 * The same of dy, each the other way: dy as it lies under x, where both have the same sides. First K moves along its rows, then K
 * of all those along the columns, whose runs are long.
 */
export function shiftsBack(
  l: Lowering,
  dy: string,
  shape: Shape,
  k: number,
  { pad }: ConvAttributes,
  layout: CpuLayout,
): string {
  const { h, w, columns } = sidesOf(shape, layout);
  const row = w * layout.lanes;
  const below = (image: string, stretch: number, pixel: number): string => {
    const each = Array.from({ length: k }, (_, i) => moved(l, image, stretch, (pad - i) * pixel));
    return l.emit(
      'Concat',
      each.map((one) => l.reshape(one, [-1, columns])),
      { axis: 0 },
    );
  };
  return below(below(dy, row, layout.lanes), h * row, row);
}

/**
 * For each of the K·K taps an image of x and one of dy, whose product by rows over all pixels is dL/dw[tap]. Where both have the
 * same sides, x moves along its rows only and dy the other way along its columns: 2·(K - 1) copies serve all taps.
 */
export function tapPairs(
  l: Lowering,
  x: string,
  dy: string,
  xShape: Shape,
  dyShape: Shape,
  k: number,
  attributes: ConvAttributes,
  layout: CpuLayout,
): (readonly [string, string])[] {
  if (!keepsSides(k, attributes)) {
    return taps(l, x, xShape, dyShape, k, attributes, layout).map((tap) => [tap, dy] as const);
  }
  const { h, w } = sidesOf(xShape, layout);
  const row = w * layout.lanes;
  const moves = Array.from({ length: k }, (_, i) => i - attributes.pad);
  const xs = moves.map((by) => moved(l, x, row, by * layout.lanes));
  const dys = moves.map((by) => moved(l, dy, h * row, -by * row));
  return dys.flatMap((dyTap) => xs.map((xTap) => [xTap, dyTap] as const));
}

/** Every stretch of so many values moved towards its begin, or, where `by` is negative, its end; zeros come in. */
function moved(l: Lowering, x: string, stretch: number, by: number): string {
  return by === 0 ? x : l.emit('Pad', [l.reshape(x, [-1, stretch]), l.ints([0, -by, 0, by])]);
}
