// Runs one benchmark: `node bench/run.mjs engine` bundles bench/engine/run.ts and starts it, arguments passed on.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const [name, ...words] = process.argv.slice(2);
if (!name) {
  console.error('usage: node bench/run.mjs engine|preparation|learning [arguments]');
  process.exit(2);
}
const outfile = path.join(root, 'node_modules/.cache/dag-bench', `${name}.mjs`);
await build({
  entryPoints: [path.join(root, 'bench', name, 'run.ts')],
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  outfile,
  logLevel: 'warning',
});
process.exit(spawnSync(process.execPath, ['--enable-source-maps', outfile, ...words], { stdio: 'inherit', cwd: root }).status ?? 1);
