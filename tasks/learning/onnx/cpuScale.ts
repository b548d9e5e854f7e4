// Scale and shift of images in one pass that threads share: to the runtime's blocked (NCHWc) convolution, every lane of a block
// is a plane of its own with a 1×1 kernel and a bias. The alternatives are one pass by one thread (batch norm's operator), or
// two passes (a product and a sum).
import type { Shape } from '../graph/graph.ts';
import { NCHWC } from './cpuBlocked.ts';
import { type CpuLayout, sidesOf } from './cpuLayout.ts';
import type { Lowering } from './lower.ts';

/** Blocks of a row below which spreading the values over the lanes costs more than it saves. */
const FEW_BLOCKS = 64;
/** Rows that a plane is seen as, at most: what threads share. */
const MOST_ROWS = 8;

/** Whether an image's channels are worth it, each row cut into whole blocks. */
export function scalesInBlocks(shape: Shape, layout: CpuLayout): boolean {
  const { columns } = sidesOf(shape, layout);
  return layout.block > 1 && columns % layout.block === 0 && columns / layout.block >= FEW_BLOCKS;
}

/** scale·x + shift, a value (C) of each a channel. */
export function scaleChannels(
  l: Lowering,
  x: string,
  [scale, shift]: readonly string[],
  shape: Shape,
  layout: CpuLayout,
): string {
  const { c, columns } = sidesOf(shape, layout);
  const { block } = layout;
  const ones = l.floats(new Float32Array(block).fill(1), [1, block]);
  const spread = (values: string): string => l.emit('MatMul', [l.reshape(values, [c, 1]), ones]);
  const y = scaleLanes(
    l,
    x,
    [scale, shift].map((values) => values && spread(values)),
    [c * block, columns / block],
  );
  return l.reshape(y, [c, columns]);
}

/** scale·x + shift, a value (C, N) of each a plane; in a layout of lanes, where samples are neighbours. */
export function scalePlanes(
  l: Lowering,
  x: string,
  [scale, shift]: readonly string[],
  shape: Shape,
  layout: CpuLayout,
): string {
  const { n, c, area, columns } = sidesOf(shape, layout);
  const y = scaleLanes(l, x, [scale, shift], [n * c, area]);
  return l.reshape(y, [c, columns]);
}

function scaleLanes(
  l: Lowering,
  x: string,
  [scale, shift]: readonly (string | undefined)[],
  [lanes, points]: readonly [number, number],
): string {
  const rows = divisorUpTo(points, MOST_ROWS);
  const image = l.reshape(x, [1, lanes, rows, points / rows]);
  const inputs = [image, l.reshape(scale!, [lanes, 1, 1, 1])];
  if (shift !== undefined) inputs.push(l.reshape(shift, [lanes]));
  return l.emit('Conv', inputs, { ...POINTWISE, group: lanes }, NCHWC);
}

const POINTWISE = { kernel_shape: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };

function divisorUpTo(n: number, most: number): number {
  for (let d = most; d > 1; d--) if (n % d === 0) return d;
  return 1;
}
