// `dag init`: a small pipeline that works as it stands, one shell task and module tasks over a matrix, to be changed.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fail, ok, type Result } from '../../model/result.ts';
import type { CommonFlags } from '../../project/session.ts';
import { UsageError } from '../../project/usageError.ts';
import { EXIT } from '../exit.ts';
import { schema } from './schema.ts';

export interface InitTrouble {
  readonly message: string;
  readonly hint: string;
}

const PIPELINE = `# yaml-language-server: $schema=./pipeline.schema.json
# \`dag run\` builds out/report.md; \`dag plan\` says what would run and why; \`dag graph\` draws this file.

params:
  seed: 1
  rows: 200
  groups: [north, south]

tasks:
  draw: # a shell task: $… is the shell's, \${…} is ours
    run: |
      awk -v seed=\${params.seed} -v rows=\${params.rows} 'BEGIN {
        srand(seed)
        print "group,value"
        for (i = 0; i < rows + 0; i++) print (rand() < 0.5 ? "north" : "south") "," rand() * 10
      }' > \${out.csv}
    params: { seed: "\${seed}", rows: "\${rows}" }
    out: { csv: out/values.csv }

  mean: # a module task, one node for each group
    use: tasks/mean.mjs
    matrix: { group: "\${groups}" }
    in: { csv: "\${draw.csv}" }
    params: { group: "\${group}" }
    out: { json: "out/means/\${group}.json" }

  report: # has no axis "group", so it reads all the means as a list
    use: tasks/report.mjs
    in: { means: "\${mean.json}" }
    out: { text: out/report.md }
`;

const MEAN = `// The mean of one group's values.
import { readFileSync, writeFileSync } from 'node:fs';

export default {
  run(ctx) {
    const rows = readFileSync(ctx.input('csv'), 'utf8').trim().split('\\n').slice(1);
    const values = rows.map((row) => row.split(',')).filter(([group]) => group === ctx.params.group);
    if (values.length === 0) ctx.warn(\`no rows of group \${ctx.params.group}\`);
    const sum = values.reduce((total, [, value]) => total + Number(value), 0);
    const result = { group: ctx.params.group, count: values.length, mean: sum / values.length };
    writeFileSync(ctx.output('json'), \`\${JSON.stringify(result)}\\n\`);
  },
};
`;

const REPORT = `// A table of all means, in the order of the matrix.
import { readFileSync, writeFileSync } from 'node:fs';

export default {
  run(ctx) {
    const means = ctx.inputs('means').map(({ path }) => JSON.parse(readFileSync(path, 'utf8')));
    const rows = means.map(({ group, count, mean }) => \`| \${group} | \${count} | \${mean.toFixed(3)} |\`);
    writeFileSync(ctx.output('text'), ['| group | rows | mean |', '|---|---|---|', ...rows, ''].join('\\n'));
  },
};
`;

/** Writes nothing when a file is already there. Gives the paths written, relative to `dir`. */
export async function init(dir: string): Promise<Result<string[], InitTrouble>> {
  const files: Record<string, string> = {
    'pipeline.yml': PIPELINE,
    'pipeline.schema.json': await schema(),
    'tasks/mean.mjs': MEAN,
    'tasks/report.mjs': REPORT,
  };
  const present = Object.keys(files).filter((file) => existsSync(join(dir, file)));
  if (present.length > 0)
    return fail({
      message: `${present.join(', ')} ${present.length > 1 ? 'exist' : 'exists'} already in ${dir}`,
      hint: 'name an empty folder: dag init FOLDER',
    });
  if (!existsSync(join(dir, '.gitignore'))) files['.gitignore'] = '.dag/\nout/\n';
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), content);
  }
  return ok(Object.keys(files));
}

/** Into the named folder, else the current one. */
export async function initCommand(folder: string | undefined, flags: CommonFlags): Promise<number> {
  const dir = resolve(flags.directory ?? '.', folder ?? '.');
  const made = await init(dir);
  if (!made.ok) throw new UsageError(`${made.error.message}\n  ${made.error.hint}`);
  if (flags.json) process.stdout.write(`${JSON.stringify({ schemaVersion: 1, directory: dir, files: made.value })}\n`);
  else process.stdout.write(`${made.value.map((file) => `made ${file}\n`).join('')}now: dag run\n`);
  return EXIT.done;
}
