// Training on WebGPU, through a Vulkan driver in software where one is installed (Debian's chromium-common brings SwiftShader):
// the same provider, operators and checks as on a real GPU, but minutes of work, hence only where DAG_WEBGPU is set. In a process of
// its own, whose environment names the driver.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { makeScratch, removeScratch } from '../tasks/train_rig.ts';
import { worst } from './core/rig.ts';

const DRIVER = '/usr/lib/chromium';
const ASKED = process.env.DAG_WEBGPU !== undefined && existsSync(path.join(DRIVER, 'vk_swiftshader_icd.json'));

const PROGRAM = `
import { createTrainer } from './tasks/learning/training/trainer.ts';
const model = { name: 'small', arch: 'efficientnet', input: 32, width: 0.25, depth: 0.25, dropout: 0, dropConnect: 0 } as const;
const options = { model, batch: 8, parts: 2, threads: 1, seed: 1, weightDecay: 0.01, classWeights: [2, 1, 1, 1, 1, 1] };
const x = Float32Array.from({ length: 8 * 3 * 32 * 32 }, (_, i) => Math.sin(i * 1.7) ** 2);
const y = Float32Array.from({ length: 48 }, (_, i) => Number(i % 3 === 0));
for (const device of ['cpu', 'webgpu']) {
  const trainer = await createTrainer({ ...options, device });
  const losses: number[] = [];
  for (let i = 0; i < 4; i++) losses.push((await trainer.step(x, y, { lr: 1e-3 })).loss);
  console.log(JSON.stringify({ device: trainer.device, losses, logits: Array.from(await trainer.predict(x, 8)) }));
  await trainer.close();
}`;

test.runIf(ASKED)(
  'two steps in parts on WebGPU have the CPU’s losses, and the network then predicts the same',
  async () => {
    const scratch = makeScratch();
    try {
      const outfile = path.join(scratch, 'webgpu.mjs');
      const stdin = {
        contents: PROGRAM,
        loader: 'ts',
        resolveDir: path.resolve(import.meta.dirname, '../..'),
      } as const;
      await build({
        bundle: true,
        platform: 'node',
        format: 'esm',
        packages: 'external',
        logLevel: 'silent',
        stdin,
        outfile,
      });
      const driver = { VK_DRIVER_FILES: path.join(DRIVER, 'vk_swiftshader_icd.json'), LD_LIBRARY_PATH: DRIVER };
      const { stdout, stderr } = spawnSync(process.execPath, [outfile], {
        encoding: 'utf8',
        env: { ...process.env, ...driver },
      });
      const [cpu, webgpu] = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(webgpu?.device, stderr).toBe('webgpu (onnxruntime), as asked for, and a step agrees with the CPU');
      expect(worst(webgpu.losses, cpu.losses)).toBeLessThan(1e-3);
      expect(worst(webgpu.logits, cpu.logits)).toBeLessThan(0.05);
    } finally {
      removeScratch(scratch);
    }
  },
  900_000,
);
