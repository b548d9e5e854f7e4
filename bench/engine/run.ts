// bench engine: full run and no-op of a layered graph of trivial shell nodes, dag beside make, ninja, doit and Snakemake.
// Every tool gets two jobs, a fresh folder and the same shell commands. Times are seconds of CPU (user and system, with all
// children), and of the clock beside them; best of the repeats. With --folder, the no-op of one node that reads a folder of so
// many files beside `git status` over it, and what ten more files cost.
//
//   node bench/run.mjs engine [--sizes 1000,10000] [--tools dag,ninja,make,doit,snakemake] [--limit 600]
//   node bench/run.mjs engine --folder 200000
//   node bench/run.mjs engine --noop 100000     the no-op alone of a graph whose commands are not run; `noop.ts` says how
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { benchFolder } from './folder.ts';
import { TOOLS, type Tool, writeProject } from './graph.ts';
import { type Cost, cost, least, peakMb } from './measure.ts';
import { benchNoop, buildGraph } from './noop.ts';

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '1000,10000' },
    tools: { type: 'string', default: Object.keys(TOOLS).join(',') },
    /** Seconds after which a run is given up. */
    limit: { type: 'string', default: '600' },
    /** Files in the folder: that case alone. */
    folder: { type: 'string' },
    /** Nodes: their no-op alone, in this folder if one is named, which then stays. */
    noop: { type: 'string' },
    keep: { type: 'string' },
    build: { type: 'string' },
  },
});
const DAG = path.resolve('engine/dist/dag.js');
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
  readonly full: Cost;
  readonly noop: Cost;
  readonly peakMb: number;
}

function measure(tool: Tool, nodes: number): Timing | null {
  const folder = mkdtempSync(path.join(os.tmpdir(), `dag-bench-${tool}-`));
  const limitSeconds = Number(values.limit);
  try {
    writeProject(folder, tool, { layers: LAYERS, width: nodes / LAYERS });
    const full = cost(COMMANDS[tool], folder, limitSeconds);
    if (!full) return null;
    const noop = least(NOOP_REPEATS, () => cost(COMMANDS[tool], folder, limitSeconds));
    return noop && { full, noop, peakMb: peakMb(COMMANDS[tool], folder) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const cell = (value: number | undefined, digits = 2) =>
  (value === undefined ? '-' : value.toFixed(digits)).padStart(10);

function benchGraph(nodes: number): void {
  const bare = least(5, () => cost([process.execPath, '-e', '0'], '.'))!;
  console.log(`\n${nodes} nodes in ${LAYERS} layers, ${JOBS} jobs; node -e 0 takes ${bare.cpu.toFixed(3)} s of CPU`);
  console.log('            full: CPU     clock   no-op: CPU     clock   MB   dag/tool: full     no-op');
  let dag: Timing | null = null;
  for (const tool of values.tools.split(',') as Tool[]) {
    const timing = measure(tool, nodes);
    if (tool === 'dag') dag = timing;
    const ratio = (of: (timing: Timing) => number) => (dag && timing ? of(dag) / of(timing) : undefined);
    const own = [timing?.full.cpu, timing?.full.clock, timing?.noop.cpu, timing?.noop.clock].map((one) => cell(one, 3));
    const ratios = `${cell(ratio(({ full }) => full.cpu))}${cell(ratio(({ noop }) => noop.cpu))}`;
    console.log(`${tool.padEnd(11)}${own.join('')}${cell(timing?.peakMb, 0)}     ${ratios}`);
  }
  if (dag) console.log(`no-op of dag: ${(dag.noop.cpu / bare.cpu).toFixed(2)} times node -e 0, its stats included`);
}

if (values.build !== undefined) await buildGraph(values.build);
else if (values.noop !== undefined) benchNoop(Number(values.noop), LAYERS, DAG, values.keep ?? null);
else if (values.folder !== undefined) benchFolder(Number(values.folder), DAG);
else for (const nodes of values.sizes.split(',').map(Number)) benchGraph(nodes);
