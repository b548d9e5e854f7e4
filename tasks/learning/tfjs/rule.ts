// What a rule is: the tensor that an operation of a graph gives for its inputs' tensors.
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Node } from '../graph/graph.ts';
import type { TensorFlow } from './load.ts';

export type Rule = (tf: TensorFlow, node: Node, inputs: Tensor[]) => Tensor;
