// Where the time of our training step goes: ONNX Runtime's profile of every node, summed by what the nodes are for, which their
// names say.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ModelSpec } from '../../tasks/learning/models/models.ts';
import { blockSize } from '../../tasks/learning/onnx/probe.ts';
import { withViews } from '../../tasks/learning/onnx/stepper.ts';
import { buildTrainingGraph, type TrainingGraph } from '../../tasks/learning/onnx/training.ts';

/** Of the runtime's trace; times in microseconds. */
interface Event {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

export interface ProfileOptions {
  readonly batch: number;
  readonly threads: number;
  /** Lines to print; the rest is summed up. */
  readonly rows: number;
}

const WARM = 2;
const STEPS = 3;
const CLASS_WEIGHTS = [2, 1, 1, 1, 1, 1];
const adamW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

export async function profile(model: ModelSpec, { batch, threads, rows }: ProfileOptions): Promise<void> {
  const target = { rules: 'cpu', block: await blockSize() } as const;
  const graph = buildTrainingGraph(model, batch, CLASS_WEIGHTS, adamW, target);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'dag-profile-'));
  try {
    const session = await InferenceSession.create(graph.model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'basic',
      enableMemPattern: false,
      enableProfiling: true,
      profileFilePrefix: path.join(folder, 'step'),
      logSeverityLevel: 4,
    });
    const [feeds, fetches] = vectors(graph, model.input, batch);
    for (let i = 0; i < WARM + STEPS; i++) await session.run(feeds, fetches);
    session.endProfiling();
    await session.release();
    print(JSON.parse(readFileSync(path.join(folder, readdirSync(folder)[0]!), 'utf8')) as Event[], rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a step takes, random, at learning rate 0; and where its results go. */
function vectors(graph: TrainingGraph, side: number, batch: number): [Record<string, Tensor>, Record<string, Tensor>] {
  const { vectorLength, vectorShape, buffers, maskLayout, resultLength } = graph;
  const tensor = (shape: number[], value: () => number): Tensor =>
    new Tensor('float32', Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, value), shape);
  const zeros = (length: number): Tensor => tensor([length], () => 0);
  const feeds: Record<string, Tensor> = {
    x: tensor([batch, 3, side, side], Math.random),
    y: tensor([batch, CLASS_WEIGHTS.length], () => Number(Math.random() < 0.2)),
    params: tensor([vectorLength], () => 0.1 * (Math.random() - 0.5)),
    m: zeros(vectorLength),
    v: tensor([vectorLength], () => 1),
    buffers: tensor([buffers.length], () => 1),
    host: new Tensor('float32', Float32Array.of(1, 0, 1), [3]),
    ...(maskLayout.length > 0 && { masks: tensor([maskLayout.length], () => 1) }),
  };
  const next = (name: string): Tensor => new Tensor('float32', feeds[name]!.data as Float32Array, vectorShape);
  const fetches = {
    params_out: next('params'),
    m_out: next('m'),
    v_out: next('v'),
    buffers_out: feeds.buffers!,
    result: zeros(resultLength),
  };
  return [withViews(feeds, graph.views), fetches];
}

function print(events: readonly Event[], rows: number): void {
  const runs = events.filter(({ name }) => name === 'model_run').sort((a, b) => a.ts - b.ts);
  const counted = runs.slice(WARM);
  const total = counted.reduce((sum, { dur }) => sum + dur, 0);
  const sums = new Map<string, number>();
  for (const { cat, name, ts, dur, args } of events) {
    // A Scan's body is there node by node.
    if (cat !== 'Node' || !name.endsWith('_kernel_time') || ts < counted[0]!.ts || args?.op_name === 'Scan') continue;
    const purpose = name.includes(':') ? name.split(':')[0]! : 'transposes of the runtime';
    sums.set(purpose, (sums.get(purpose) ?? 0) + dur);
  }
  const sorted = [...sums].sort((a, b) => b[1] - a[1]);
  const shown = sorted.slice(0, rows);
  const known = sorted.reduce((sum, [, dur]) => sum + dur, 0);
  const others = known - shown.reduce((sum, [, dur]) => sum + dur, 0);
  console.log(`where our time goes (profiled: ${(total / STEPS / 1000).toFixed(0)} ms a step)`);
  for (const [what, dur] of [...shown, ['others', others], ['between nodes', total - known]] as [string, number][]) {
    console.log(`  ${((100 * dur) / total).toFixed(1).padStart(5)} %  ${what}`);
  }
}
