// npm run build: engine/ and cache/ into engine/dist/, the command line and the far side of module tasks with the chunks they share.
// A `dag` that runs meanwhile sees whole files only: chunks, which are called by their content, come first, then the two
// entries, each by a rename. Chunks of earlier builds go when neither this build nor the last refers to them and they are an
// hour old: a `dag` that was started before may load one yet.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const root = import.meta.dirname;
const outdir = path.join(root, 'engine/dist');
const KEPT_MS = 3_600_000;
/** What every command needs: read as a part of ours, it starts sooner than as a dozen files. */
const BUNDLED = ['commander', 'picocolors'];
const { dependencies, optionalDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

const lastBuildMs = statSync(path.join(outdir, 'dag.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: { dag: 'engine/cli/main.ts', child: 'engine/exec/child/main.ts' },
  define: { DAG_VERSION: JSON.stringify(JSON.parse(readFileSync(path.join(root, 'engine/package.json'), 'utf8')).version) },
  bundle: true,
  splitting: true,
  chunkNames: '[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !BUNDLED.includes(name)),
  // A bundled CommonJS package asks for Node's own modules by it.
  banner: { js: "import { createRequire as requireBy } from 'node:module'; const require = requireBy(import.meta.url);" },
  sourcemap: true,
  outdir,
  write: false,
  logLevel: 'warning',
});

mkdirSync(outdir, { recursive: true });
const isEntry = (file) => /^(?:dag|child)\.js$/.test(path.basename(file));
for (const { path: file, contents } of outputFiles.sort((a, b) => isEntry(a.path) - isEntry(b.path))) {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, contents, { mode: isEntry(file) ? 0o755 : 0o644 });
  renameSync(temporary, file);
}

const made = new Set(outputFiles.map(({ path: file }) => path.basename(file)));
for (const name of readdirSync(outdir)) {
  const file = path.join(outdir, name);
  const writtenMs = made.has(name) ? Infinity : (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Infinity);
  // Each build writes all that it refers to.
  if (writtenMs < lastBuildMs - 60_000 && writtenMs < Date.now() - KEPT_MS) rmSync(file, { force: true });
}
