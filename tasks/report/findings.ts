// All that the report says, as plain data: what the page is written from, and most of metrics.json.
import type { ClassName } from '../classes.ts';
import type { SmoothingFit } from '../smoothing/fit.ts';
import type { Estimate } from '../statistics/losses.ts';
import type { DataCard } from './card.ts';
import type { Balance } from './inputs.ts';
import type { OperatingPoint } from './operating.ts';
import type { Scores } from './scores.ts';

export interface EnsembleFit {
  readonly method: 'mean' | 'stacking';
  readonly weights?: Record<string, number>;
  readonly stacking?: Record<string, { intercept: number; weights: Record<string, number> }>;
  readonly loss: { ensemble: number; mean: number; equal_weights: number; models: Record<string, number> };
}

export interface ModelFindings {
  readonly name: string;
  /** On smoothed predictions. */
  readonly scores: Scores;
  /** Mean losses, and changes with their intervals; below 0 is better. */
  readonly rawLoss: number;
  readonly smoothing: SmoothingFit;
  readonly smoothingChange: Estimate;
  readonly ttaLoss: number;
  readonly ttaChange: Estimate;
}

export interface Example {
  readonly image: string;
  readonly picture: string | undefined;
  readonly truth: readonly string[];
  /** Probabilities in the order of CLASSES. */
  readonly values: readonly number[];
  readonly loss: number;
}

export interface Findings {
  readonly images: number;
  readonly patients: number;
  readonly bootstrap: {
    readonly of: 'patients';
    readonly replicates: number;
    readonly seed: number;
    readonly interval: 0.95;
  };
  readonly ensemble: Scores;
  readonly models: readonly ModelFindings[];
  readonly ensembleFit: EnsembleFit;
  /** From the best single model to the ensemble; undefined with one model. */
  readonly best: { readonly model: string; readonly change: Estimate } | undefined;
  readonly operating: Readonly<Record<ClassName, OperatingPoint | undefined>>;
  readonly cards: readonly DataCard[];
  readonly balances: readonly Balance[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly modelSettings: readonly Readonly<Record<string, unknown>>[];
  /** Epochs run and best epoch by model and fold. */
  readonly training: readonly { model: string; fold: string; epochs: number; best: number; loss: number }[];
  /** What it was made from: name and short digest. */
  readonly digests: readonly (readonly [string, string])[];
}

export interface Pictures {
  readonly examples: readonly { readonly name: string; readonly shown: readonly Example[] }[];
  readonly worst: readonly Example[];
  readonly crops: readonly { readonly image: string; readonly whole: string; readonly cropped: string }[];
}

/** Names of the SVGs; each is written beside the page too. */
export type Plots = Readonly<Record<'loss' | 'learning_rate' | 'roc' | 'precision_recall' | 'calibration', string>>;
