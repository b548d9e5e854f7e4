// A node as plain data for tests of the scheduler and the planner: everything has a default.
import type { Node } from '../../engine/model/node.ts';
import type { Resources } from '../../engine/model/resources.ts';

export const noResources: Resources = {
  cpu: 1,
  memoryBytes: 0,
  gpu: 0,
  gpuOptional: false,
  preemptible: false,
  pools: {},
};

export function testNode(
  name: string,
  overrides: Partial<Omit<Node, 'resources'>> & { resources?: Partial<Resources> } = {},
): Node {
  return {
    name,
    task: name.split('[')[0]!,
    axes: {},
    action: { kind: 'shell', command: 'true' },
    params: {},
    inputs: [],
    outputs: [],
    after: [],
    env: [],
    tools: {},
    retries: 0,
    timeoutMs: null,
    durationSeconds: null,
    ...overrides,
    resources: { ...noResources, ...overrides.resources },
  };
}
