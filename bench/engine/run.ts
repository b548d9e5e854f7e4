// bench engine: full run and no-op of a layered graph of trivial shell nodes, dag beside make, ninja, doit and Snakemake.
// Every tool gets two jobs, a fresh folder and the same shell commands; times are wall-clock seconds, best of the repeats.
//
//   node bench/run.mjs engine [--sizes 1000,10000] [--tools dag,ninja,make,doit,snakemake] [--limit 600]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { TOOLS, type Tool, writeProject } from './graph.ts';

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '1000,10000' },
    tools: { type: 'string', default: Object.keys(TOOLS).join(',') },
    /** Seconds after which a run is given up. */
    limit: { type: 'string', default: '600' },
  },
});
const DAG = path.resolve('dist/dag.js');
const JOBS = '2';
const NOOP_REPEATS = 5;
const LAYERS = 10;

const COMMANDS: Record<Tool, readonly string[]> = {
  dag: [process.execPath, DAG, 'run', '-j', JOBS],
  ninja: ['ninja', '-j', JOBS],
  make: ['make', '-s', '-j', JOBS],
  doit: ['doit', '-n', JOBS],
  snakemake: ['snakemake', '--cores', JOBS, '--quiet', '--nolock'],
};

interface Timing {
  readonly full: number;
  readonly noop: number;
  readonly peakMb: number;
}

function seconds(folder: string, words: readonly string[]): number {
  const startedMs = performance.now();
  const done = spawnSync(words[0]!, words.slice(1), {
    cwd: folder,
    stdio: 'ignore',
    timeout: Number(values.limit) * 1000,
  });
  if (done.status !== 0) return Number.NaN;
  return (performance.now() - startedMs) / 1000;
}

/** Peak resident memory of a no-op, by GNU time where it is installed. */
function peakMb(folder: string, words: readonly string[]): number {
  const done = spawnSync('/usr/bin/time', ['-f', '%M', ...words], { cwd: folder, encoding: 'utf8' });
  const line = done.stderr?.trim().split('\n').at(-1) ?? '';
  return Number.parseInt(line, 10) / 1024;
}

function measure(tool: Tool, nodes: number): Timing {
  const folder = mkdtempSync(path.join(os.tmpdir(), `dag-bench-${tool}-`));
  try {
    writeProject(folder, tool, { layers: LAYERS, width: nodes / LAYERS });
    const full = seconds(folder, COMMANDS[tool]);
    if (Number.isNaN(full)) return { full, noop: full, peakMb: full };
    const noop = Math.min(...Array.from({ length: NOOP_REPEATS }, () => seconds(folder, COMMANDS[tool])));
    return { full, noop, peakMb: peakMb(folder, COMMANDS[tool]) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const cell = (value: number, digits = 2) => (Number.isNaN(value) ? '-' : value.toFixed(digits)).padStart(10);

for (const nodes of values.sizes.split(',').map(Number)) {
  const bare = Math.min(...Array.from({ length: 5 }, () => seconds('.', [process.execPath, '-e', '0'])));
  console.log(`\n${nodes} nodes in ${LAYERS} layers, ${JOBS} jobs; node -e 0 takes ${bare.toFixed(3)} s`);
  console.log('tool        full [s]   no-op [s]  memory [MB]  dag/tool full  dag/tool no-op');
  let dag: Timing | null = null;
  for (const tool of values.tools.split(',') as Tool[]) {
    const timing = measure(tool, nodes);
    dag ??= timing;
    const ratios = `${cell(dag.full / timing.full)}     ${cell(dag.noop / timing.noop)}`;
    console.log(
      `${tool.padEnd(10)}${cell(timing.full)}  ${cell(timing.noop, 3)}   ${cell(timing.peakMb, 0)}     ${ratios}`,
    );
  }
}
