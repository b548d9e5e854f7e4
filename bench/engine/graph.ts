// One layered graph, written as the file of each tool: W nodes a layer, every node reads two of the layer before.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface Layered {
  readonly layers: number;
  readonly width: number;
}

interface Step {
  readonly name: string;
  readonly needs: readonly string[];
}

function steps({ layers, width }: Layered): Step[] {
  const all: Step[] = [];
  for (let layer = 0; layer < layers; layer++) {
    for (let i = 0; i < width; i++) {
      const needs = layer === 0 ? [] : [`n${layer - 1}_${i}`, `n${layer - 1}_${(i + 1) % width}`];
      all.push({ name: `n${layer}_${i}`, needs });
    }
  }
  return all;
}

const input = (step: Step) => (step.needs.length > 0 ? step.needs.map((need) => `out/${need}`) : ['seed.txt']);

/** The files by tool; each tool gets a folder of its own with the same seed.txt. */
export const TOOLS = {
  dag: { file: 'pipeline.yml', write: dagFile },
  ninja: { file: 'build.ninja', write: ninjaFile },
  make: { file: 'Makefile', write: makeFile },
  doit: { file: 'dodo.py', write: doitFile },
  snakemake: { file: 'Snakefile', write: snakeFile },
} as const;
export type Tool = keyof typeof TOOLS;

export function writeProject(folder: string, tool: Tool, size: Layered): void {
  mkdirSync(path.join(folder, 'out'), { recursive: true });
  writeFileSync(path.join(folder, 'seed.txt'), 'seed\n');
  writeFileSync(path.join(folder, TOOLS[tool].file), TOOLS[tool].write(steps(size)));
}

function dagFile(all: readonly Step[]): string {
  const task = (step: Step) => {
    const ins = step.needs.length > 0 ? step.needs.map((need, i) => `i${i}: "\${${need}.o}"`) : ['i0: seed.txt'];
    const reads = ins.map((_, i) => `\${in.i${i}}`).join(' ');
    return `  ${step.name}: { run: "cat ${reads} | cksum > \${out.o}", in: { ${ins.join(', ')} }, out: { o: out/${step.name} } }`;
  };
  return `tasks:\n${all.map(task).join('\n')}\n`;
}

function ninjaFile(all: readonly Step[]): string {
  const edges = all.map((step) => `build out/${step.name}: step ${input(step).join(' ')}`);
  return `rule step\n  command = cat $in | cksum > $out\n${edges.join('\n')}\n`;
}

function makeFile(all: readonly Step[]): string {
  const rules = all.map((step) => `out/${step.name}: ${input(step).join(' ')}\n\tcat $^ | cksum > $@`);
  return `all: ${all.map((step) => `out/${step.name}`).join(' ')}\n.SILENT:\n${rules.join('\n')}\n`;
}

function doitFile(all: readonly Step[]): string {
  return `STEPS = ${JSON.stringify(all.map((step) => [step.name, input(step)]))}
DOIT_CONFIG = {'verbosity': 0}
def task_step():
    for name, needs in STEPS:
        yield {'name': name, 'file_dep': needs, 'targets': ['out/' + name], 'actions': ['cat ' + ' '.join(needs) + ' | cksum > out/' + name]}
`;
}

function snakeFile(all: readonly Step[]): string {
  return `STEPS = dict(${JSON.stringify(all.map((step) => [step.name, input(step)]))})
rule all:
    input: expand("out/{name}", name=list(STEPS))
rule step:
    input: lambda w: STEPS[w.name]
    output: "out/{name}"
    shell: "cat {input} | cksum > {output}"
`;
}
