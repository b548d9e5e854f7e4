// The training loop on a real, small model: logistic regression with input dropout and AdamW, written here, so that order,
// schedule, checkpoints and resuming are tested without a network.
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLASS_WEIGHTS } from '../../tasks/classes.ts';
import type { LabelledImages } from '../../tasks/learning/loader/labels.ts';
import type { Batch, Load } from '../../tasks/learning/loader/loader.ts';
import { randomStream } from '../../tasks/learning/loader/random.ts';
import { createRandom, resumeRandom } from '../../tasks/learning/random.ts';
import { loadCheckpoint } from '../../tasks/learning/training/checkpoint.ts';
import { cosine, type Fit, type FitOptions, fitNetwork } from '../../tasks/learning/training/fit.ts';
import { sigmoid } from '../../tasks/learning/training/predictions.ts';
import type { Tensors, Trainer } from '../../tasks/learning/training/trainer.ts';
import { encodeSafetensors } from '../../tasks/learning/weights/safetensors.ts';
import { weightedLogLoss } from '../../tasks/metrics.ts';

const FEATURES = 12; // 3 x 2 x 2
const CLASSES = 6;

/** Logistic regression. `onStep` may throw, as a killed process stops. */
function logistic(onStep: (step: number) => void = () => {}): Trainer {
  const [w, m, v] = [0, 0, 0].map(() => new Float32Array(FEATURES * CLASSES)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  let random = createRandom(7);
  let step = 0;
  const forward = (x: Float32Array): Float32Array => {
    const logits = new Float32Array((x.length / FEATURES) * CLASSES);
    for (let i = 0; i < logits.length; i++) {
      const [n, c] = [Math.floor(i / CLASSES), i % CLASSES];
      for (let f = 0; f < FEATURES; f++) logits[i]! += x[n * FEATURES + f]! * w[c * FEATURES + f]!;
    }
    return logits;
  };
  const tensors = (entries: Record<string, Float32Array>): Tensors =>
    new Map(Object.entries(entries).map(([name, data]) => [name, { shape: [CLASSES, FEATURES], data: data.slice() }]));
  return {
    device: 'logistic regression',
    async step(x, y, { lr }) {
      onStep(step++);
      const dropped = x.map((value) => (random.next() < 0.1 ? 0 : value));
      const logits = forward(dropped);
      const gradient = new Float64Array(w.length);
      for (let i = 0; i < logits.length; i++) {
        const [n, c] = [Math.floor(i / CLASSES), i % CLASSES];
        const error = ((sigmoid(logits[i]!) - y[i]!) * CLASS_WEIGHTS[c]!) / 7 / (x.length / FEATURES);
        for (let f = 0; f < FEATURES; f++) gradient[c * FEATURES + f]! += error * dropped[n * FEATURES + f]!;
      }
      for (const [i, g] of gradient.entries()) {
        m[i] = 0.9 * m[i]! + 0.1 * g;
        v[i] = 0.999 * v[i]! + 0.001 * g * g;
        const update = m[i]! / (1 - 0.9 ** step) / (Math.sqrt(v[i]! / (1 - 0.999 ** step)) + 1e-8);
        w[i] = w[i]! * (1 - 0.01 * lr) - lr * update;
      }
      return { loss: weightedLogLoss(logits.map(sigmoid), y), logits };
    },
    predict: async (x) => forward(x),
    state: async () => ({ weights: tensors({ w }), optimizer: tensors({ m, v }), step, rng: random.state() }),
    async load(state) {
      w.set(state.weights.get('w')!.data);
      m.set(state.optimizer!.get('m')!.data);
      v.set(state.optimizer!.get('v')!.data);
      step = state.step!;
      random = resumeRandom(state.rng!);
    },
    close: async () => {},
  };
}

/** Images whose features are drawn from their name, and labels that a linear rule and some noise decide. */
function dataset(prefix: string, count: number, rule = true): LabelledImages {
  const images = Array.from({ length: count }, (_, i) => `${prefix}_${i}`);
  const labels = new Float32Array(count * CLASSES);
  const random = createRandom(count);
  for (const [i, image] of images.entries()) {
    const x = features(image);
    for (let c = 0; c < CLASSES; c++) {
      labels[i * CLASSES + c] = Number(rule ? x[c]! - x[11 - c]! + 0.2 * random.normal() > 0.2 : random.next() < 0.3);
    }
  }
  return { images, patients: images, labels };
}

function features(image: string): Float32Array {
  const random = randomStream(...Array.from(image, (letter) => letter.charCodeAt(0)));
  return Float32Array.from({ length: FEATURES }, () => random.next());
}

/** Batches with a little noise by (seed, epoch, index), as augmentation makes. */
const load: Load = async function* (requests) {
  for (const { names, look } of requests) {
    const x = new Float32Array(names.length * FEATURES);
    for (const [row, name] of names.entries()) {
      const noise = 'views' in look ? 0 : 0.05 * randomStream(look.seed, look.epoch, look.indices[row]!).next();
      x.set(
        features(name).map((value) => value + noise),
        row * FEATURES,
      );
    }
    yield { names, x, waitSeconds: 0 } satisfies Batch;
  }
};

interface Run {
  readonly options?: Partial<FitOptions>;
  readonly scratch: string;
  readonly signal?: AbortSignal;
  readonly said?: string[];
  readonly onProgress?: (done: number) => void;
}

const TRAIN = dataset('train', 70);
const VALID = dataset('valid', 40);

function run({
  options = {},
  scratch,
  signal = new AbortController().signal,
  said = [],
  onProgress = () => {},
}: Run): Promise<Fit> {
  const say = (message: string): void => void said.push(message);
  const context = { scratch, signal, log: say, warn: say, progress: onProgress, metric: () => {} };
  const base = { load, train: TRAIN, valid: VALID, batch: 16, epochs: 4, patience: 3, lr: 0.05, seed: 3, context };
  return fitNetwork({ ...base, trainer: logistic(), ...options });
}

async function inScratch<T>(use: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = mkdtempSync(path.join(tmpdir(), 'fit-'));
  try {
    return await use(scratch);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const digest = ({ weights }: Fit): string => Buffer.from(encodeSafetensors(weights)).toString('base64');
const whole = await inScratch((scratch) => run({ scratch }));
const STEPS = 4 * 4;

test('training learns, and its history says how', () => {
  expect(whole.history.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
  expect(whole.history.map(({ lr }) => lr)).toEqual([0, 1, 2, 3].map((epoch) => cosine(0.05, epoch, 4)));
  expect(whole.history[3]!.validLoss).toBeLessThan(whole.history[0]!.validLoss);
  expect(whole.history[3]!.trainLoss).toBeLessThan(whole.history[0]!.trainLoss);
});

test('while it runs, a line an epoch tells all, and how fast it went; a resumed run has each line once', async () => {
  await inScratch(async (scratch) => {
    const lines = (): Record<string, number>[] =>
      readFileSync(path.join(scratch, 'history.jsonl'), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    const killed = logistic((step) => {
      if (step === 10) throw new Error('killed');
    });
    await expect(run({ scratch, options: { trainer: killed } })).rejects.toThrow('killed');
    expect(lines().map(({ epoch }) => epoch)).toEqual([1, 2]);
    await run({ scratch });
    expect(lines().map(({ epoch, trainLoss }) => [epoch, trainLoss])).toEqual(
      whole.history.map(({ epoch, trainLoss }) => [epoch, trainLoss]),
    );
    for (const { imagesPerSecond, waitShare, seconds, peakMemoryMiB } of lines()) {
      expect([imagesPerSecond! > 0, waitShare! >= 0, seconds! > 0, peakMemoryMiB! > 10]).not.toContain(false);
    }
  });
});

test('a batch in parts loads and steps so many images at once, and is saved between batches only', async () => {
  const sizes: number[] = [];
  const watched: Load = (requests) => {
    const list = [...requests];
    if (list.some(({ look }) => !('views' in look))) sizes.push(...list.map(({ names }) => names.length));
    return load(list);
  };
  const resumed = await inScratch(async (scratch) => {
    const killed = logistic((step) => {
      if (step === 9) throw new Error('killed'); // In the second part of the fifth batch.
    });
    const options = { load: watched, microBatch: 8, checkpointEveryMs: 0 };
    await expect(run({ scratch, options: { ...options, trainer: killed } })).rejects.toThrow('killed');
    expect(loadCheckpoint<{ epoch: number; batches: number }>(scratch, () => {})!.progress).toMatchObject({
      epoch: 1,
      batches: 0,
    });
    return run({ scratch, options });
  });
  const uninterrupted = await inScratch((scratch) => run({ scratch, options: { microBatch: 8 } }));
  expect(new Set(sizes)).toEqual(new Set([8]));
  expect(digest(resumed)).toBe(digest(uninterrupted));
  expect(resumed.history).toEqual(uninterrupted.history);
});

test('label smoothing moves the labels of training and not those of validation', async () => {
  const labels: number[] = [];
  const trainer = logistic();
  const watched: Trainer = {
    ...trainer,
    step: (x, y, options) => {
      labels.push(...y);
      return trainer.step(x, y, options);
    },
  };
  const options = { trainer: watched, labelSmoothing: 0.1, epochs: 1 };
  const { history, weights } = await inScratch((scratch) => run({ scratch, options }));
  expect([...new Set(labels.map((label) => label.toFixed(6)))].sort()).toEqual(['0.050000', '0.950000']);
  await trainer.load({ ...(await trainer.state()), weights });
  const x = Float32Array.from(VALID.images.flatMap((image) => [...features(image)]));
  const logits = await trainer.predict(x, VALID.images.length);
  expect(weightedLogLoss(Float64Array.from(logits, sigmoid), VALID.labels)).toBe(history[0]!.validLoss);
});

test('where weights are averaged, the average is what is kept', async () => {
  const trainer = logistic();
  const averaging: Trainer = {
    ...trainer,
    state: async () => {
      const state = await trainer.state();
      const halves = new Map(
        [...state.weights].map(([name, { shape, data }]) => [name, { shape, data: data.map((w) => w / 2) }]),
      );
      return { ...state, average: halves };
    },
  };
  const { weights } = await inScratch((scratch) => run({ scratch, options: { trainer: averaging, epochs: 1 } }));
  const { data } = (await trainer.state()).weights.get('w')!;
  expect(weights.get('w')!.data).toEqual(data.map((w) => w / 2));
});

test('given time, it learns the rule behind the labels', async () => {
  const { history } = await inScratch((scratch) => run({ scratch, options: { epochs: 60, patience: 60, lr: 0.2 } }));
  for (const value of Object.values(history[59]!.auc)) expect(value).toBeGreaterThan(0.85);
});

test('the learning rate is that of CosineAnnealingLR', () => {
  // torch.optim.lr_scheduler.CosineAnnealingLR(optimizer at 0.1, T_max=5).
  const expected = [0.1, 0.09045084971874738, 0.06545084971874737, 0.03454915028125263, 0.009549150281252633];
  for (const [epoch, rate] of expected.entries()) expect(cosine(0.1, epoch, 5)).toBeCloseTo(rate, 15);
});

test('every epoch is a new order of full batches, no image twice in one', async () => {
  const epochs: string[][][] = [];
  const watched: Load = (requests) => {
    const list = [...requests];
    if (list.some(({ look }) => !('views' in look))) epochs.push(list.map(({ names }) => [...names]));
    return load(list);
  };
  await inScratch((scratch) => run({ scratch, options: { load: watched } }));
  expect(epochs.map((batches) => batches.map((names) => names.length))).toEqual(Array(4).fill([16, 16, 16, 16]));
  for (const batches of epochs) expect(new Set(batches.flat()).size).toBe(64);
  expect(new Set(epochs.map((batches) => batches.join())).size).toBe(4);
});

test('stopped after any step by a signal, a rerun ends with the same weights and history of losses', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: STEPS }), { minLength: 1, maxLength: 3 }),
      async (stops) => {
        const resumed = await inScratch(async (scratch) => {
          for (const stop of stops.sort((a, b) => a - b)) {
            const abort = new AbortController();
            const onProgress = (done: number): void => void (done === stop * 16 && abort.abort(new Error('stop')));
            await expect(run({ scratch, signal: abort.signal, onProgress })).rejects.toThrow('stop');
          }
          return run({ scratch });
        });
        expect(digest(resumed)).toBe(digest(whole));
        expect(resumed.history).toEqual(whole.history);
      },
    ),
    { numRuns: 25 },
  );
});

test.each([0, 3, 4, 9, 15])(
  'killed in step %i, a rerun continues from the last finished epoch to the same weights',
  async (at) => {
    const said: string[] = [];
    const resumed = await inScratch(async (scratch) => {
      const killed = logistic((step) => {
        if (step === at) throw new Error('killed');
      });
      await expect(run({ scratch, options: { trainer: killed } })).rejects.toThrow('killed');
      return run({ scratch, said });
    });
    expect(digest(resumed)).toBe(digest(whole));
    expect(said[0]).toMatch(
      at < 4 ? /^a line an epoch while it runs/ : new RegExp(`^continuing in epoch ${Math.floor(at / 4) + 1} after 0`),
    );
  },
);

test('checkpoints within an epoch change nothing in the result', async () => {
  const resumed = await inScratch(async (scratch) => {
    const killed = logistic((step) => {
      if (step === 10) throw new Error('killed');
    });
    await expect(run({ scratch, options: { trainer: killed, checkpointEveryMs: 0 } })).rejects.toThrow('killed');
    expect(loadCheckpoint<{ batches: number }>(scratch, () => {})!.progress.batches).toBe(2);
    return run({ scratch });
  });
  expect(digest(resumed)).toBe(digest(whole));
});

test('killed while a checkpoint is put in its place, a rerun takes the one before, or the whole new one', async () => {
  for (const leave of ['half written', 'between the renames']) {
    const resumed = await inScratch(async (scratch) => {
      const killed = logistic((step) => {
        if (step === 10) throw new Error('killed');
      });
      await expect(run({ scratch, options: { trainer: killed } })).rejects.toThrow('killed');
      const file = path.join(scratch, 'checkpoint.safetensors');
      if (leave === 'half written') writeFileSync(`${file}.tmp`, readFileSync(file).subarray(0, 1000));
      else renameSync(file, path.join(scratch, 'checkpoint.previous.safetensors'));
      return run({ scratch });
    });
    expect(digest(resumed)).toBe(digest(whole));
  }
});

test('a damaged checkpoint is set aside with a message, and the one before gives the same weights', async () => {
  const said: string[] = [];
  const resumed = await inScratch(async (scratch) => {
    const killed = logistic((step) => {
      if (step === 14) throw new Error('killed');
    });
    await expect(run({ scratch, options: { trainer: killed } })).rejects.toThrow('killed');
    const file = path.join(scratch, 'checkpoint.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 9]! ^= 1;
    writeFileSync(file, bytes);
    return run({ scratch, said });
  });
  expect(said[0]).toMatch(
    /^a damaged checkpoint is set aside .*, the one before is used: .*checkpoint.safetensors: its digest is not that of its content$/,
  );
  expect(said[1]).toMatch(/^continuing in epoch 3 after 0 batches/);
  expect(digest(resumed)).toBe(digest(whole));
});

test('where no checkpoint is whole it says so, starts anew, and ends with the same weights', async () => {
  const said: string[] = [];
  const anew = await inScratch((scratch) => {
    writeFileSync(path.join(scratch, 'checkpoint.safetensors'), 'cut off');
    return run({ scratch, said });
  });
  expect(said[0]).toMatch(/^a damaged checkpoint is set aside .*, there is none before it, training starts anew: /);
  expect(said.filter((line) => line.startsWith('continuing'))).toEqual([]);
  expect(digest(anew)).toBe(digest(whole));
});

test('without a better epoch for the length of patience it stops, and returns the best epoch’s weights', async () => {
  const small = dataset('train', 32, false);
  const valid = dataset('other', 400, false);
  const { history, bestEpoch, weights } = await inScratch((scratch) =>
    run({ scratch, options: { train: small, valid, epochs: 40, patience: 3, lr: 0.3 } }),
  );
  expect(history.length).toBe(bestEpoch + 3);
  const losses = history.map(({ validLoss }) => validLoss);
  expect(losses.indexOf(Math.min(...losses))).toBe(bestEpoch - 1);
  const trainer = logistic();
  await trainer.load({ ...(await trainer.state()), weights });
  const x = Float32Array.from(valid.images.flatMap((image) => [...features(image)]));
  const logits = await trainer.predict(x, valid.images.length);
  expect(weightedLogLoss(Float64Array.from(logits, sigmoid), valid.labels)).toBe(losses[bestEpoch - 1]);
});

test('a loss that is not a number stops with epoch, batch and images', async () => {
  const spoilt: Load = async function* (requests) {
    for await (const batch of load(requests)) {
      const at = batch.names.indexOf('train_5');
      yield at < 0 ? batch : { ...batch, x: batch.x.map((value, i) => (i === at * FEATURES ? Number.NaN : value)) };
    }
  };
  const failure = inScratch((scratch) => run({ scratch, options: { load: spoilt } }));
  await expect(failure).rejects.toThrow(
    /^the loss is not a number in epoch 1, batch \d \(16 images: .*train_5,.*\); lower lr, or look at these images$/,
  );
});

test('where the validation set lacks a class, its AUC is null and training goes on', async () => {
  const labels = VALID.labels.map((label, i) => (i % CLASSES === 0 ? 0 : label));
  const { history } = await inScratch((scratch) => run({ scratch, options: { valid: { ...VALID, labels } } }));
  expect(history.length).toBe(4);
  expect(history[0]!.auc.any).toBeNull();
  expect(history[0]!.auc.subdural).toBeGreaterThan(0.5);
});
