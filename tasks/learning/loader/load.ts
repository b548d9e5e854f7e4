// The worker's side of the loader: reads, decodes and warps the images of one batch. Its result depends on the job alone.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { affineOf, drawView, type View, warp } from './augment.ts';
import { levelsOf } from './levels.ts';
import { decodePng, type RgbImage } from './png.ts';
import { AUGMENT, randomStream } from './random.ts';

export interface LoadJob {
  /** The folder of `NAME.png`. */
  readonly folder: string;
  readonly names: readonly string[];
  readonly kind: string;
  readonly size: number;
  readonly look: Look;
}

/** How to look at the images: by fixed views, or by one drawn for (seed, epoch, the image's index in its data set). */
export type Look =
  | { readonly views: readonly View[] }
  | { readonly seed: number; readonly epoch: number; readonly indices: readonly number[] };

/** Float32 (views, names, 3, size, size), or which file is not an image that can be read, and why. */
export type LoadResult = ArrayBuffer | { readonly problem: string };

export async function load(job: LoadJob): Promise<LoadResult> {
  const levels = levelsOf(job.kind);
  const image3 = 3 * job.size * job.size;
  const views = 'views' in job.look ? job.look.views.length : 1;
  const pixels = new Float32Array(views * job.names.length * image3);
  for (const [at, name] of job.names.entries()) {
    const file = path.join(job.folder, `${name}.png`);
    const image = await read(file);
    if ('problem' in image) return image;
    for (const [number, view] of viewsOf(job.look, at, image).entries()) {
      const affine = affineOf(view, image.width, image.height, job.size);
      warp(image, affine, levels, job.size, pixels, (number * job.names.length + at) * image3);
    }
  }
  return pixels.buffer;
}

function viewsOf(look: Look, at: number, { width, height }: RgbImage): readonly View[] {
  if ('views' in look) return look.views;
  return [drawView(randomStream(AUGMENT, look.seed, look.epoch, look.indices[at]!), width, height)];
}

async function read(file: string): Promise<RgbImage | { readonly problem: string }> {
  try {
    return await decodePng(await readFile(file));
  } catch (error) {
    return { problem: `${file}: cannot be read as an image: ${(error as Error).message}` };
  }
}
