// What a device does in a training: one step on vectors that it keeps. Each lowering has its own (onnx/stepper.ts,
// tfjs/stepper.ts); training/trainer.ts knows no more of devices than this.
import type { Layout } from './models/flat.ts';
import type { ModelSpec } from './models/models.ts';
import type { Mask } from './models/network.ts';

/** The optimiser's settings. */
export interface AdamW {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** What a step is built for. */
export interface StepPlan {
  readonly model: ModelSpec;
  /** Images at once. */
  readonly batch: number;
  /** How many such batches make one step. */
  readonly parts: number;
  readonly classWeights: readonly number[];
  readonly adamW: AdamW;
}

/** The vectors that a step replaces: parameters, AdamW's moments, running statistics. */
export type Vectors = Record<'params' | 'm' | 'v' | 'buffers', Float32Array>;
export const vectorNames: readonly (keyof Vectors)[] = ['params', 'm', 'v', 'buffers'];

export interface StepInput {
  /** (batch,3,S,S) and (batch,classes). */
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Values of `maskLayout`. */
  readonly masks: Float32Array;
  /** adamw.ts' numbers of the step; null where more parts of it are to come. */
  readonly host: Float32Array | null;
}

export interface Stepper {
  readonly parameters: Layout;
  readonly buffers: Layout;
  readonly masks: readonly Mask[];
  readonly maskLayout: Layout;
  /** Length of what a step gives: the loss, then the logits (batch,classes). */
  readonly resultLength: number;
  /** One part of a step; the last one changes the parameters. The result is the caller's. */
  step(input: StepInput): Promise<Float32Array>;
  /** To be read, not written. */
  read(): Promise<Vectors>;
  write(vectors: Vectors): Promise<void>;
  close(): Promise<void>;
}
