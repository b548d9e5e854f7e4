// Any text is a pipeline or is refused at a place in it, and of every pipeline there is a plan and a picture: never an internal error.
// FUZZ_CASES=20000 for the long run.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cache, openCache } from '../../cache/index.ts';
import { topological } from '../../engine/graph/order.ts';
import { select } from '../../engine/graph/select.ts';
import { formatDiagnostics, formatWarning } from '../../engine/load/diagnostic.ts';
import { loadText } from '../../engine/load/load.ts';
import type { Diagnostic } from '../../engine/model/diagnostic.ts';
import type { Code } from '../../engine/model/ingredients.ts';
import type { Node, Pipeline } from '../../engine/model/node.ts';
import { describeReasons } from '../../engine/model/reason.ts';
import { renderGraph } from '../../engine/picture/render.ts';
import { plan } from '../../engine/plan/plan.ts';
import { REPOSITORY } from '../rigs/project.ts';
import { damaged, pipeline, selector, setting } from './grammar.ts';

const CASES = Number(process.env.FUZZ_CASES ?? 2000);
/** A picture of more shows nothing else. */
const MOST_DRAWN = 500;

const GOLDEN = path.join(import.meta.dirname, 'golden');
const FILES = [
  path.join(REPOSITORY, 'pipeline.yml'),
  ...readdirSync(GOLDEN)
    .filter((name) => name.endsWith('.yml'))
    .map((name) => path.join(GOLDEN, name)),
].map((file) => readFileSync(file, 'utf8'));

const home = mkdtempSync(path.join(os.tmpdir(), 'dag-fuzz-'));
const root = path.join(home, 'project');
let cache: Cache;

beforeAll(() => {
  mkdirSync(path.join(root, 'src'), { recursive: true });
  writeFileSync(path.join(root, 'src/s'), 's');
  for (const [, module] of FILES.join('\n').matchAll(/use: ([\w/.-]+\.ts)/g)) {
    mkdirSync(path.dirname(path.join(root, module!)), { recursive: true });
    writeFileSync(path.join(root, module!), '');
  }
  cache = openCache({ dir: path.join(home, 'cache') });
});

afterAll(async () => {
  await cache.close();
  rmSync(home, { recursive: true });
});

const seldom = <T>(one: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.tuple(one) });
const ask = { set: seldom(setting), selectors: fc.array(selector, { maxLength: 2 }) };

test('of a pipeline nearly right', async () => {
  const asked = fc.record({
    ...ask,
    text: fc.oneof({ weight: 2, arbitrary: pipeline }, { weight: 1, arbitrary: damaged(pipeline) }),
  });
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(asked, async (one) => {
      if (await check(one)) accepted++;
    }),
    { numRuns: CASES / 2 },
  );
  expect(accepted).toBeGreaterThan(CASES / 20);
});

test('of a real file with wounds', async () => {
  const asked = fc.record({ ...ask, text: damaged(fc.constantFrom(...FILES)) });
  await fc.assert(
    fc.asyncProperty(asked, async (one) => void (await check(one))),
    { numRuns: CASES / 2 },
  );
});

interface Asked {
  readonly text: string;
  readonly set: readonly string[];
  readonly selectors: readonly string[];
}

/** Whether it is a pipeline. */
async function check({ text, set, selectors }: Asked): Promise<boolean> {
  const loaded = loadText(text, { root, file: path.join(root, 'pipeline.yml'), set });
  if (!loaded.ok) {
    expect(loaded.error.length).toBeGreaterThan(0);
    checkPlaces(loaded.error, text);
    checkWords(
      formatDiagnostics(loaded.error, () => text, { color: false, cwd: root }),
      [text, ...set],
    );
    return false;
  }
  const { value } = loaded;
  checkPlaces(value.warnings, text);
  for (const warning of value.warnings) checkWords(formatWarning(warning, root), [text, ...set]);
  // What a key is made of, and what a task is given, is what the file says.
  expect(isDeepStrictEqual(JSON.parse(JSON.stringify(value.nodes)), value.nodes)).toBe(true);
  const selected = select(value, selectors, { only: false });
  if (!selected.ok) checkWords(`${selected.error.message} ${selected.error.hint ?? ''}`, [text, ...set, ...selectors]);
  const names = new Set(selected.ok && selectors.length > 0 ? selected.value : value.nodes.map(({ name }) => name));
  if (value.nodes.length === 0 || value.nodes.length > MOST_DRAWN) return true;
  const byName = new Map(value.nodes.map((node) => [node.name, node]));
  makePlan(
    value,
    topological(value)
      .filter((name) => names.has(name))
      .map((name) => byName.get(name)!),
  );
  for (const format of ['text', 'mermaid', 'dot'] as const)
    for (const tasks of [true, false]) expect(await renderGraph(value, { format, tasks })).not.toBe('');
  return true;
}

function makePlan(value: Pipeline, nodes: readonly Node[]): void {
  // The disk at large is no part of this.
  const isInside = (file: string) => path.resolve(root, file).startsWith(root + path.sep);
  if (!nodes.every(({ inputs }) => inputs.every(({ sources }) => sources.every((source) => isInside(source.path)))))
    return;
  const codes = new Map(
    nodes.flatMap(({ action }) => (action.kind === 'module' ? [[action.path, CODE] as const] : [])),
  );
  const { planned } = plan({ pipeline: value, nodes, forced: new Set(), cache, codes, tools: new Map() });
  expect(planned.map(({ node }) => node)).toEqual(nodes);
  for (const { state, reasons } of planned) if (state !== 'fresh') expect(describeReasons(reasons, 9)).not.toBe('');
}

const CODE = { kind: 'module', path: '', digest: '0'.repeat(64), files: {}, packages: {} } as unknown as Code;

function checkPlaces(found: readonly Diagnostic[], text: string): void {
  const lines = text.split('\n');
  for (const { line, column, endColumn = column, message } of found) {
    if (line === 0) continue;
    const length = lines[line - 1]?.length ?? -1;
    expect([message, column >= 1 && column <= length + 2 && endColumn >= column]).toEqual([message, true]);
  }
}

/** What JavaScript says of its own values is no word for a person. */
function checkWords(told: string, given: readonly string[]): void {
  for (const word of ['[object', 'undefined', 'native code', 'NaN', '=>'])
    if (!given.some((text) => text.includes(word))) expect(told).not.toContain(word);
}
