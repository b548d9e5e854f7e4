// A network that cannot learn 32 images by heart has a fault in its gradients, its loader or its labels: through real files, the
// real loader and the trainer, without augmentation.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CLASS_WEIGHTS } from '../../tasks/classes.ts';
import { IDENTITY } from '../../tasks/learning/loader/augment.ts';
import { load } from '../../tasks/learning/loader/load.ts';
import { sigmoid } from '../../tasks/learning/training/predictions.ts';
import { createTrainer } from '../../tasks/learning/training/trainer.ts';
import { weightedLogLoss } from '../../tasks/metrics.ts';
import { drawImages } from '../tasks/train_rig.ts';

const MOST_STEPS = 250;

test('thirty-two images are learnt by heart, to a loss below 0.01, in training and in inference', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'overfit-'));
  try {
    const rows = await drawImages(folder, 'ID', 32, 7);
    const names = rows.map(({ image }) => image);
    const x = new Float32Array(
      (await load({ folder, names, kind: 'adjacent_hu', size: 32, look: { views: [IDENTITY] } })) as ArrayBuffer,
    );
    const y = Float32Array.from(rows.flatMap(({ labels }) => labels));
    const model = { name: 'heart', input: 32, width: 0.25, depth: 0.5, dropout: 0, dropConnect: 0 };
    const trainer = await createTrainer({
      model: { ...model, arch: 'efficientnet' },
      batch: 32,
      threads: 1,
      seed: 1,
      weightDecay: 0,
      classWeights: CLASS_WEIGHTS,
      device: 'cpu',
    });
    let loss = Number.POSITIVE_INFINITY;
    let steps = 0;
    for (; steps < MOST_STEPS && loss >= 0.002; steps++) ({ loss } = await trainer.step(x, y, { lr: 3e-3 }));
    expect(loss, `after ${steps} steps`).toBeLessThan(0.01);
    // Running statistics start at 1, variances may be a ten-thousandth: steps without learning bring them there.
    for (let i = 0; i < 150; i++) await trainer.step(x, y, { lr: 0 });
    const probabilities = Float64Array.from(await trainer.predict(x, 32), sigmoid);
    expect(weightedLogLoss(probabilities, y)).toBeLessThan(0.01);
    await trainer.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
