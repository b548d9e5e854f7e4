// A training's checkpoint: one safetensors file holding network, optimiser, averaged weights, the best so far and where the loop
// stands.
// Written beside the last one, synced, then renamed into its place; the last one is kept until the next. A digest over all of
// it is stored inside, so that a damaged file is set aside, and said, instead of trained on.
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, renameSync } from 'node:fs';
import path from 'node:path';
import { readSafetensors, writeSafetensors } from '../weights/safetensors.ts';
import type { Tensors, Trainer } from './trainer.ts';

export type TrainerState = Awaited<ReturnType<Trainer['state']>>;

export interface Checkpoint<Progress> {
  readonly trainer: TrainerState;
  /** Weights of the best epoch; null before the first epoch ended. */
  readonly best: Tensors | null;
  /** JSON: numbers come back as the same doubles. */
  readonly progress: Progress;
}

const CURRENT = 'checkpoint.safetensors';
const PREVIOUS = 'checkpoint.previous.safetensors';
const DAMAGED = 'checkpoint.damaged.safetensors';
const FORMAT = 2;

/** Durable when it returns; a kill at any moment leaves this checkpoint or the one before. */
export function saveCheckpoint<Progress>(folder: string, checkpoint: Checkpoint<Progress>): void {
  const { trainer, best, progress } = checkpoint;
  const tensors: Tensors = new Map();
  for (const [name, tensor] of trainer.weights) tensors.set(`weights/${name}`, tensor);
  for (const [name, tensor] of trainer.optimizer) tensors.set(`optimizer/${name}`, tensor);
  for (const [name, tensor] of trainer.average ?? []) tensors.set(`average/${name}`, tensor);
  for (const [name, tensor] of best ?? []) tensors.set(`best/${name}`, tensor);
  const { step, rng } = trainer;
  const has = { best: best !== null, average: trainer.average !== undefined };
  const state = JSON.stringify({ format: FORMAT, step, rng, has, progress });
  const temporary = path.join(folder, `${CURRENT}.tmp`);
  writeSafetensors(temporary, tensors, { state, digest: digestOf(tensors, state) });
  if (existsSync(path.join(folder, CURRENT))) renameSync(path.join(folder, CURRENT), path.join(folder, PREVIOUS));
  renameSync(temporary, path.join(folder, CURRENT));
  syncFolder(folder);
}

/** The newest whole checkpoint in the folder, or null. A damaged one is renamed, and `warn` told of it. */
export function loadCheckpoint<Progress>(folder: string, warn: (message: string) => void): Checkpoint<Progress> | null {
  const files = [CURRENT, PREVIOUS].map((name) => path.join(folder, name)).filter((file) => existsSync(file));
  for (const [i, file] of files.entries()) {
    try {
      return readCheckpoint(file);
    } catch (error) {
      renameSync(file, path.join(folder, DAMAGED));
      const next = i + 1 < files.length ? 'the one before is used' : 'there is none before it, training starts anew';
      warn(`a damaged checkpoint is set aside as ${DAMAGED}, ${next}: ${(error as Error).message}`);
    }
  }
  return null;
}

function readCheckpoint<Progress>(file: string): Checkpoint<Progress> {
  const { tensors, metadata } = readSafetensors(file);
  const { state = '', digest } = metadata;
  if (digest !== digestOf(tensors, state)) throw new Error(`${file}: its digest is not that of its content`);
  const { format, step, rng, has, progress } = JSON.parse(state);
  if (format !== FORMAT) throw new Error(`${file}: checkpoint format ${format}, expected ${FORMAT}`);
  const part = (prefix: string): Tensors =>
    new Map(
      [...tensors]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
    );
  const average = has.average ? { average: part('average/') } : {};
  const trainer = { weights: part('weights/'), optimizer: part('optimizer/'), ...average, step, rng };
  return { trainer, best: has.best ? part('best/') : null, progress };
}

function digestOf(tensors: Tensors, state: string): string {
  const hash = createHash('sha256').update(state);
  for (const [name, { shape, data }] of tensors) {
    hash.update(`${JSON.stringify([name, shape])}`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
