// How an image lies in memory while the CPU trains: an (N,C,H,W) tensor is the matrix of its channels, (C, N·H·W), and
// within a row the samples are taken `lanes` at a time: (C, N/lanes, H, W, lanes). So
// - a pointwise convolution and its gradients are one matrix product each, whatever the image's size;
// - whatever batch norm needs lies in one row;
// - with lanes equal to the processor's block, this is the runtime's blocked (NCHWc) layout of one image with N·C channels:
//   depthwise convolutions, 4 times faster there, need no reordering.
// With one lane a row is (N, H, W), and a plane is contiguous: the layout for networks with dense or grouped convolutions.
import type { Shape } from '../graph/graph.ts';
import type { Lowering } from './lower.ts';

export interface CpuLayout {
  readonly lanes: number;
  /** Channels a block of the runtime's blocked layout on this processor; 1: it has none. */
  readonly block: number;
}

/** The layout for a batch: lanes where the batch fills them. */
export function chooseLayout(batch: number, block: number, depthwise: boolean): CpuLayout {
  return { lanes: depthwise && block > 1 && batch % block === 0 ? block : 1, block };
}

export interface Sides {
  readonly n: number;
  readonly c: number;
  readonly h: number;
  readonly w: number;
  /** N/lanes, H·W, and N·H·W. */
  readonly groups: number;
  readonly area: number;
  readonly columns: number;
}

export function sidesOf(shape: Shape, { lanes }: CpuLayout): Sides {
  const [n, c, h, w] = shape as [number, number, number, number];
  return { n, c, h, w, groups: n / lanes, area: h * w, columns: n * h * w };
}

/** (N,C,H,W) as it comes from outside → (C, N·H·W). */
export function fromImages(l: Lowering, x: string, shape: Shape, layout: CpuLayout): string {
  const { c, groups, area, columns } = sidesOf(shape, layout);
  if (layout.lanes === 1) {
    const turned = l.emit('Transpose', [l.reshape(x, [groups, c, area])], { perm: [1, 0, 2] });
    return l.reshape(turned, [c, columns]);
  }
  // In two moves of one axis each, of which the second is none for one group: the runtime is slow at others.
  const rows = l.reshape(x, [groups, layout.lanes, c * area]);
  const inLanes = l.emit('Transpose', [rows], { perm: [0, 2, 1] });
  if (groups === 1) return l.reshape(inLanes, [c, columns]);
  const grouped = l.reshape(inLanes, [groups, c, area * layout.lanes]);
  return l.reshape(l.emit('Transpose', [grouped], { perm: [1, 0, 2] }), [c, columns]);
}

/** (C, N·H·W) → (N,C,H,W). */
export function toImages(l: Lowering, x: string, shape: Shape, layout: CpuLayout): string {
  const { c, groups, area } = sidesOf(shape, layout);
  if (layout.lanes === 1) {
    return l.reshape(l.emit('Transpose', [l.reshape(x, [c, groups, area])], { perm: [1, 0, 2] }), shape);
  }
  const open = l.reshape(x, [c, groups, area, layout.lanes]);
  return l.reshape(l.emit('Transpose', [open], { perm: [1, 3, 0, 2] }), shape);
}

/** (C, N·H·W) → (C, N/lanes, H·W, lanes): a sample's plane made visible. */
export function planes(l: Lowering, x: string, shape: Shape, layout: CpuLayout): string {
  const { c, groups, area } = sidesOf(shape, layout);
  return l.reshape(x, [c, groups, area, layout.lanes]);
}

/** (C, N) → (C, N/lanes, 1, lanes): one value a plane, to be spread over it. */
export function points(l: Lowering, x: string, shape: Shape, layout: CpuLayout): string {
  const { c, groups } = sidesOf(shape, layout);
  return l.reshape(x, [c, groups, 1, layout.lanes]);
}
