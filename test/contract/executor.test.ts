// Each executor, by the suite of the contract.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { createLocalExecutor } from '../../engine/exec/local/local.ts';
import { orphanTasks } from '../cli/rig.ts';
import { REPOSITORY } from '../rigs/project.ts';
import { describeExecutor } from './executor.ts';

const child = path.join(REPOSITORY, 'engine/dist/child.js');
const running = (root: string) => path.join(root, '.dag/running');

describeExecutor('local', {
  open: (root) => createLocalExecutor(root, { running: running(root), child }),
  async abandon(root, command) {
    const launch = {
      root,
      log: path.join(root, 'orphan.log'),
      timeoutMs: null,
      allotment: { cores: 1, memoryBytes: 0, gpus: [] },
      environment: {},
    };
    const work = { kind: 'shell', command, declared: { inputs: [], own: [], scratch: '' } };
    const contents = `
      import { createLocalExecutor } from './engine/exec/local/local.ts';
      const executor = createLocalExecutor(${JSON.stringify(root)}, { running: ${JSON.stringify(running(root))} });
      executor.launch({ ...${JSON.stringify({ ...launch, work })}, onMessage() {} });
      console.log('launched');`;
    // Where its packages are found.
    const engine = path.join(REPOSITORY, 'node_modules/.test-scratch', `${path.basename(root)}.mjs`);
    const external = ['lmdb'];
    const stdin = { contents, resolveDir: REPOSITORY, loader: 'ts' } as const;
    await build({ stdin, bundle: true, platform: 'node', format: 'esm', external, outfile: engine, logLevel: 'error' });
    const started = spawn(process.execPath, [engine], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(started.stdout!, 'data');
    orphanTasks(started);
    await once(started, 'exit');
    rmSync(engine);
  },
});
