// EfficientNet (Tan and Le, 2019), table 1 and compound scaling, with torchvision's parameter names. Batch norm's epsilon
// and momentum are torchvision's: PyTorch's defaults up to B4, the paper's (1e-3, 0.01) from B5.
import type { Node } from '../graph/graph.ts';
import { swish } from '../ops/elementwise.ts';
import {
  averageOverImage,
  convBatchNorm,
  dropout,
  linear,
  residual,
  squeezeExcite,
  stochasticDepth,
  uniformOver,
} from './layers.ts';
import type { Network } from './network.ts';

/** MBConv stages of B0: expansion, kernel, stride, channels in and out, blocks. */
const stages = [
  [1, 3, 1, 32, 16, 1],
  [6, 3, 2, 16, 24, 2],
  [6, 5, 2, 24, 40, 2],
  [6, 3, 2, 40, 80, 3],
  [6, 5, 1, 80, 112, 3],
  [6, 5, 2, 112, 192, 4],
  [6, 3, 1, 192, 320, 1],
] as const;

/** Width and depth multipliers and dropout, B0 to B7. */
export const efficientNetScaling = [
  { width: 1.0, depth: 1.0, dropout: 0.2 },
  { width: 1.0, depth: 1.1, dropout: 0.2 },
  { width: 1.1, depth: 1.2, dropout: 0.3 },
  { width: 1.2, depth: 1.4, dropout: 0.3 },
  { width: 1.4, depth: 1.8, dropout: 0.4 },
  { width: 1.6, depth: 2.2, dropout: 0.4 },
  { width: 1.8, depth: 2.6, dropout: 0.5 },
  { width: 2.0, depth: 3.1, dropout: 0.5 },
] as const;

export interface EfficientNetOptions {
  readonly width: number;
  readonly depth: number;
  readonly dropout: number;
  /** Stochastic depth at the last block, rising linearly from 0 at the first. */
  readonly dropConnect: number;
  readonly classes: number;
}

/** To the nearest multiple of 8, never more than a tenth below. */
function round8(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

/** x (N,3,H,W) → logits (N,classes). */
export function efficientNet(net: Network, x: Node, options: EfficientNetOptions): Node {
  const { width, depth } = options;
  const { graph } = net;
  const blocks = stages.reduce((sum, stage) => sum + Math.ceil(stage[5] * depth), 0);
  let y = swish(
    graph,
    convBatchNorm(net, 'features.0.0', 'features.0.1', x, round8(32 * width), { kernel: 3, stride: 2 }),
  );
  let index = 0;
  stages.forEach(([expand, kernel, firstStride, , out, repeats], s) => {
    for (let i = 0; i < Math.ceil(repeats * depth); i++, index++) {
      const stride = i === 0 ? firstStride : 1;
      const drop = (options.dropConnect * index) / blocks;
      y = mbConv(net, `features.${s + 1}.${i}`, y, { expand, kernel, stride, channels: round8(out * width), drop });
    }
  });
  y = swish(graph, convBatchNorm(net, 'features.8.0', 'features.8.1', y, 4 * y.shape[1]!, { kernel: 1 }));
  const features = dropout(net, 'classifier.0', averageOverImage(net, y), options.dropout);
  return linear(net, 'classifier.1', features, options.classes, uniformOver(options.classes));
}

interface Block {
  readonly expand: number;
  readonly kernel: number;
  readonly stride: number;
  readonly channels: number;
  readonly drop: number;
}

/** Expand, depthwise, squeeze-and-excite, project, and a residual where the shapes agree. */
function mbConv(net: Network, name: string, x: Node, { expand, kernel, stride, channels, drop }: Block): Node {
  const { graph } = net;
  const input = x.shape[1]!;
  let part = 0;
  const next = (): string => `${name}.block.${part++}`;
  const norm = (prefix: string, y: Node, out: number, options: Parameters<typeof convBatchNorm>[5]): Node =>
    convBatchNorm(net, `${prefix}.0`, `${prefix}.1`, y, out, options);

  let y = x;
  if (expand !== 1) y = swish(graph, norm(next(), y, input * expand, { kernel: 1 }));
  y = swish(graph, norm(next(), y, y.shape[1]!, { kernel, stride, groups: y.shape[1]! }));
  y = squeezeExcite(net, next(), y, { squeezed: Math.max(1, Math.floor(input / 4)), activation: swish });
  y = norm(next(), y, channels, { kernel: 1 });
  if (stride !== 1 || input !== channels) return y;
  return residual(net, x, stochasticDepth(net, name, y, drop));
}
