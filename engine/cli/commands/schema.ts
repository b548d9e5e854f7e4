// `dag schema`: the JSON Schema of pipeline.yml, for completion and checking in editors. The loader has the last word;
// a test holds the keys of both together.
import { EXIT } from '../exit.ts';

const REFERENCE = { type: 'string', pattern: '\\$\\{' };
const text = { type: 'string', minLength: 1 };
const texts = { oneOf: [text, { type: 'array', items: text }] };
const names = { pattern: '^[A-Za-z_][A-Za-z0-9_-]*$' };
const orReference = (schema: object) => ({ anyOf: [schema, REFERENCE] });

const described = (description: string, schema: object) => ({ description, ...schema });
const record = (values: object) => ({ type: 'object', propertyNames: names, additionalProperties: values });
const closed = (properties: Record<string, object>, rest: object = {}) => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...rest,
});

const DURATION = orReference({ type: 'string', pattern: '^\\s*(\\d+(\\.\\d+)?\\s*(ms|s|min|m|h|d)\\s*)+$' });
const MEMORY = orReference({ type: 'string', pattern: '^\\d+(\\.\\d+)?\\s*([kKMGT]?B|[KMGT]iB)$' });

const axis = {
  anyOf: [
    { type: 'array' },
    REFERENCE,
    closed({ range: orReference({ type: 'integer', minimum: 0 }) }, { required: ['range'] }),
  ],
};
const points = { type: 'array', items: { type: 'object' } };

const resources = closed({
  cpu: described('Cores.', orReference({ type: 'number', exclusiveMinimum: 0 })),
  memory: described('An amount with its unit: 16GiB, 512MB.', MEMORY),
  gpu: described('GPUs; a fraction below 1 shares one.', orReference({ type: 'number', minimum: 0 })),
  gpu_optional: described('Run on the CPU slots alone where there is no GPU.', orReference({ type: 'boolean' })),
  preemptible: described(
    'The task keeps its progress in ctx.scratch: it may be asked to stop at a safe point and go on later. A time is its shortest turn.',
    { anyOf: [{ type: 'boolean' }, DURATION] },
  ),
  pools: described('Pool to the amount taken of it.', record(orReference({ type: 'number', minimum: 0 }))),
});

const task = closed(
  {
    use: described('A TypeScript module, relative to the folder of pipeline.yml.', text),
    run: described('A shell command; ${in.NAME}, ${out.NAME} and ${params.NAME} stand for its own.', text),
    matrix: described('Axis to its values: a list, ${param}, or { range: N }. The task runs at every combination.', {
      type: 'object',
      properties: {
        include: described('Points to add.', points),
        exclude: described('Points to take away.', points),
      },
      additionalProperties: axis,
    }),
    in: described('Name to a path, ${task.output}, or a list of them.', record({ oneOf: [text, { type: 'array' }] })),
    out: described('Name to a path inside the project.', record(text)),
    params: described('Values that the task gets, and that its key depends on.', { type: 'object' }),
    after: described('Tasks that must finish first although nothing of theirs is read.', texts),
    resources: described('What a node takes of the machine.', resources),
    env: described('Environment variables whose values the result depends on.', texts),
    tools: described('Tool to the command that prints its version.', { type: 'object', additionalProperties: text }),
    retries: described('Attempts after the first.', orReference({ type: 'integer', minimum: 0 })),
    timeout: described('Time limit: 90s, 15m, 2h.', DURATION),
    duration: described('Expected time, until a run has measured it.', DURATION),
  },
  { oneOf: [{ required: ['use'] }, { required: ['run'] }] },
);

const SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'pipeline.yml of dag',
  ...closed(
    {
      params: described('Parameters; they may refer to each other and to outputs of tasks.', { type: 'object' }),
      profile: described('The profile of a bare run.', { type: ['string', 'null'] }),
      profiles: described('Profile to an overlay on params, with a default: of its own.', {
        type: 'object',
        additionalProperties: {
          type: ['object', 'null'],
          properties: { default: described('What a bare run of this profile builds.', texts) },
        },
      }),
      default: described('The selectors that a bare `dag run` builds.', texts),
      pools: described('Pool to its size.', record(orReference({ type: 'number', exclusiveMinimum: 0 }))),
      tasks: described('The tasks.', { type: 'object', propertyNames: names, additionalProperties: task }),
    },
    { required: ['tasks'] },
  ),
} as const;

export async function schema(): Promise<string> {
  return `${JSON.stringify(SCHEMA, null, 2)}\n`;
}

export async function schemaCommand(): Promise<number> {
  process.stdout.write(await schema());
  return EXIT.done;
}
