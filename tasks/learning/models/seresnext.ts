// SE-ResNeXt (Xie et al., 2017, table 1; squeeze-and-excitation by Hu et al., 2018) in its two published forms: the first,
// ported from Caffe, known as se_resnext101_32x4d (timm: legacy_seresnext101_32x4d), and timm's present seresnext101_32x4d.
// They differ in names, in the padding of the first pooling and in the last norm's initial scale.
import type { Node } from '../graph/graph.ts';
import { add, relu } from '../ops/elementwise.ts';
import { maxPool, type PoolAttributes } from '../ops/pool.ts';
import { averageOverImage, convBatchNorm, dropout, linear, squeezeExcite, uniformOver } from './layers.ts';
import type { Network } from './network.ts';

/** Bottlenecks of the four stages; 32 groups of 4 channels in the first. */
export const seResNeXt101 = { blocks: [3, 4, 23, 3], groups: 32, width: 4 } as const;

/** What the two published forms do not share. */
export interface SeResNeXtForm {
  readonly stem: string;
  readonly squeezeExcite: string;
  readonly classifier: string;
  readonly pool: PoolAttributes;
  /** Initial scale of a block's last norm: at 0 a block starts as the identity. */
  readonly lastGain: number;
}
export const legacyForm: SeResNeXtForm = {
  stem: 'layer0.',
  squeezeExcite: 'se_module',
  classifier: 'last_linear',
  pool: { kernel: 3, stride: 2, pad: 0, ceil: true },
  lastGain: 1,
};
export const presentForm: SeResNeXtForm = {
  stem: '',
  squeezeExcite: 'se',
  classifier: 'fc',
  pool: { kernel: 3, stride: 2, pad: 1, ceil: false },
  lastGain: 0,
};

export interface SeResNeXtOptions {
  readonly form: SeResNeXtForm;
  readonly blocks: readonly number[];
  readonly groups: number;
  readonly width: number;
  /** Before the classifier; the published network has none. */
  readonly dropout: number;
  readonly classes: number;
}

const EXPANSION = 4;
const REDUCTION = 16;

/** x (N,3,H,W) → logits (N,classes). */
export function seResNeXt(net: Network, x: Node, options: SeResNeXtOptions): Node {
  const { form, blocks, groups, width } = options;
  const { graph } = net;
  const stem = { kernel: 7, stride: 2 };
  let y = relu(graph, convBatchNorm(net, `${form.stem}conv1`, `${form.stem}bn1`, x, 64, stem));
  y = maxPool(graph, y, form.pool);
  blocks.forEach((count, stage) => {
    const planes = 64 << stage;
    const inner = groups * width * (planes / 64);
    for (let i = 0; i < count; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      const block = { form, inner, channels: EXPANSION * planes, stride, groups };
      y = bottleneck(net, `layer${stage + 1}.${i}`, y, block);
    }
  });
  const features = dropout(net, form.classifier, averageOverImage(net, y), options.dropout);
  const initial = uniformOver(y.shape[1]!);
  return linear(net, form.classifier, features, options.classes, initial, initial);
}

interface Block {
  readonly form: SeResNeXtForm;
  readonly inner: number;
  readonly channels: number;
  readonly stride: number;
  readonly groups: number;
}

/** 1x1, grouped 3x3, 1x1, squeeze-and-excite, added to the input (brought to shape by a 1x1 where it must be). */
function bottleneck(net: Network, name: string, x: Node, { form, inner, channels, stride, groups }: Block): Node {
  const { graph } = net;
  const norm = (i: number, y: Node, out: number, options: Parameters<typeof convBatchNorm>[5], gain = 1): Node =>
    convBatchNorm(net, `${name}.conv${i}`, `${name}.bn${i}`, y, out, options, gain);
  let y = relu(graph, norm(1, x, inner, { kernel: 1 }));
  y = relu(graph, norm(2, y, inner, { kernel: 3, stride, groups }));
  y = norm(3, y, channels, { kernel: 1 }, form.lastGain);
  const excitation = { squeezed: channels / REDUCTION, activation: relu, bias: 'default' } as const;
  y = squeezeExcite(net, `${name}.${form.squeezeExcite}`, y, excitation);
  const isSame = stride === 1 && x.shape[1] === channels;
  const downsample = `${name}.downsample`;
  const shortcut = isSame
    ? x
    : convBatchNorm(net, `${downsample}.0`, `${downsample}.1`, x, channels, { kernel: 1, stride });
  return relu(graph, add(graph, y, shortcut));
}
