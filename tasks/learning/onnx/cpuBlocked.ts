// Dense and grouped convolutions by the runtime's blocked (NCHWc) operator with weights that change from step to step: about
// twice as fast as the plain one, reorders of image and weights included.
import type { Shape } from '../graph/graph.ts';
import type { ConvAttributes } from '../ops/convolution.ts';
import type { CpuLayout } from './cpuLayout.ts';
import type { Lowering } from './lower.ts';
import { convAttributes } from './standardConvolution.ts';

export const NCHWC = 'com.microsoft.nchwc';

/** Groups that share a block, half of whose weights are then zeros at most. */
const MOST_MERGED = 2;

/** Neighbouring groups that are computed as one, to fill the blocks; 0: that would not fill them. */
function merged([cout, perGroup]: Shape, { groups }: ConvAttributes, block: number): number {
  for (let count = 1; count <= MOST_MERGED; count++) {
    const fits = [perGroup!, cout! / groups].every((channels) => (channels * count) % block === 0);
    if (fits && groups % count === 0) return count;
  }
  return 0;
}

export function fitsBlocks(w: Shape, attributes: ConvAttributes, { block }: CpuLayout): boolean {
  return block > 1 && merged(w, attributes, block) > 0;
}

/** x (N,Cin,H,W), w (Cout,Cin/groups,K,K) → (N,Cout,Ho,Wo). */
export function blockedConv(
  l: Lowering,
  x: string,
  w: string,
  wShape: Shape,
  attributes: ConvAttributes,
  { block }: CpuLayout,
): string {
  const [cout, perGroup, k] = wShape as [number, number, number, number];
  const count = merged(wShape, attributes, block);
  const groups = attributes.groups / count;
  const filled = count === 1 ? w : sideBySide(l, w, wShape, groups, count);
  const cin = perGroup * count;
  const rows = l.reshape(filled, [cout / block, block, cin / block, block, k * k]);
  const blocked = l.reshape(l.emit('Transpose', [rows], { perm: [0, 2, 4, 3, 1] }), [cout, cin, k, k]);
  const image = l.emit('ReorderInput', [x], { channels_last: 0 }, NCHWC);
  const y = l.emit('Conv', [image, blocked], convAttributes(wShape, { ...attributes, groups }), NCHWC);
  return l.emit('ReorderOutput', [y], { channels: cout, channels_last: 0 }, NCHWC);
}

/** Weights of `count` neighbouring groups on the diagonal of one, zeros beside them. */
function sideBySide(l: Lowering, w: string, [cout, perGroup, k]: Shape, groups: number, count: number): string {
  const each = l.reshape(w, [groups, count, cout! / groups / count, 1, perGroup! * k! * k!]);
  const diagonal = Array.from({ length: count * count }, (_, i) => Number(i % (count + 1) === 0));
  const placed = l.emit('Mul', [each, l.floats(diagonal, [1, count, 1, count, 1])]);
  return l.reshape(placed, [cout!, perGroup! * count, k!, k!]);
}
