// TensorFlow.js, where it is installed: the package with a GPU, else the one without. Both are optional, and the first stays
// installed without its native part where its download failed; what else may be missing, only an attempt tells.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type TensorFlow = typeof import('@tensorflow/tfjs-core');

export interface Loaded {
  readonly tf: TensorFlow;
  readonly name: string;
  readonly usesGpu: boolean;
}

const PACKAGES: readonly string[] = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];

/** The first package that loads, or why none does. */
export async function loadTensorFlow(): Promise<Loaded | { readonly problem: string }> {
  const problems: string[] = [];
  for (const name of PACKAGES) {
    try {
      // Imported without it, a package registers its kernels, and the next one warns of each of them.
      if (!hasNativePart(name)) throw new Error(`${name}: no native part`);
      const loaded = (await import(/* @vite-ignore */ name)) as TensorFlow & { default?: TensorFlow };
      const tf = loaded.default ?? loaded;
      const backend = tf.backend() as { isUsingGpuDevice?: boolean };
      return { tf, name, usesGpu: backend.isUsingGpuDevice === true };
    } catch (error) {
      problems.push(`${name} ${isAbsent(error) ? 'is not installed' : 'lacks its native part, or its libraries'}`);
    }
  }
  return { problem: problems.join(', ') };
}

function hasNativePart(name: string): boolean {
  return existsSync(fileURLToPath(new URL('../lib', import.meta.resolve(name)))); // Beside dist/index.js.
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
}
