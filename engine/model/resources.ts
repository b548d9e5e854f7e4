// Resources as plain data.

/** What a node asks for. */
export interface Resources {
  readonly cpu: number;
  readonly memoryBytes: number;
  /** May be a fraction: 0.5 shares a GPU with another node. */
  readonly gpu: number;
  /** When true and the machine has no GPU, the node runs on its CPU slots alone. */
  readonly gpuOptional: boolean;
  /** The node keeps its progress in its scratch folder and may be asked to go on later; a number is its shortest turn in seconds. */
  readonly preemptible: boolean | number;
  /** Named pools, e.g. `{ disk: 1 }`; their sizes are `pools:` of pipeline.yml. */
  readonly pools: Readonly<Record<string, number>>;
}

/** What there is to run on. */
export interface Capacity {
  readonly cores: number;
  readonly memoryBytes: number;
  /** GPU indices that may be used, the one to prefer first. */
  readonly gpus: readonly number[];
  /** What CUDA_VISIBLE_DEVICES calls those that it does not call by their index. */
  readonly gpuNames?: Readonly<Record<number, string>>;
  readonly pools: Readonly<Record<string, number>>;
}

/** Where a node runs: what was set aside for it. */
export interface Allotment {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly gpus: readonly number[];
}
