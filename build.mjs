// npm run build: engine/ and cache/ into dist/, the command line and the far side of module tasks with the chunks they share.
// A chunk is called by its content, so each change leaves old ones behind. They go later: a `dag` that was started before this
// build may load one yet. What neither this build nor the last refers to, and is an hour old, nobody waits for.
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const root = import.meta.dirname;
const outdir = path.join(root, 'dist');
const KEPT_MS = 3_600_000;

const lastBuildMs = statSync(path.join(outdir, 'dag.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { dag: 'engine/cli/main.ts', child: 'engine/exec/child.ts' },
  define: { DAG_VERSION: JSON.stringify(JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version) },
  bundle: true,
  splitting: true,
  chunkNames: '[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  sourcemap: true,
  outdir,
  metafile: true,
  logLevel: 'warning',
});

const made = new Set(Object.keys(metafile.outputs).map((file) => path.basename(file)));
for (const name of readdirSync(outdir)) {
  const file = path.join(outdir, name);
  const writtenMs = made.has(name) ? Infinity : (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Infinity);
  // Each build writes all that it refers to.
  if (writtenMs < lastBuildMs - 60_000 && writtenMs < Date.now() - KEPT_MS) rmSync(file, { force: true });
}
