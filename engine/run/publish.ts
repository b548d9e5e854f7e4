// From a process that ended well to a record: outputs are there, inputs are as they were, bytes are in the store and
// durable; only then the record. Whatever is missing on the way is a failure of the node, and nothing is recorded.
import { existsSync, lstatSync, mkdirSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Cache, type Entry, StoreDamage, Unhashable } from '../../cache/index.ts';
import type { EachMessage, EachOutput } from '../exec/protocol.ts';
import type { Failure } from '../model/event.ts';
import type { Node } from '../model/node.ts';
import type { Reason } from '../model/reason.ts';
import type { NodeRecord, NodeState } from '../model/record.ts';
import { fail, ok, type Result } from '../model/result.ts';
import type { Assessment } from '../plan/assess.ts';
import { LostBase, saveEach } from './publishEach.ts';

export interface Finished {
  readonly node: Node;
  readonly assessment: Assessment;
  /** Where each output was written: in staging for a module, in place for a shell command. */
  readonly written: Readonly<Record<string, string>>;
  /** What `ctx.each` did: where outputs lie that it made. */
  readonly each: readonly EachMessage[];
  readonly reasons: readonly Reason[];
  readonly seconds: number;
  readonly warnings: readonly string[];
  readonly ranAt: string;
  /** When it began its first turn in this run; milliseconds since 1970. */
  readonly begunMs: number;
  readonly log: string;
}

/** Moves the outputs into the work tree and their bytes into the store; nothing is durable or recorded yet. */
export async function saveOutputs(
  root: string,
  cache: Cache,
  finished: Finished,
): Promise<Result<Record<string, Entry>, Failure>> {
  const made = new Map(finished.each.flatMap(({ outputs }) => outputs.map((output) => [output.name, output])));
  const problem = missingOutput(finished, made) ?? changedInput(root, cache, finished);
  if (problem) return fail({ kind: 'task', log: finished.log, ...problem });
  const outputs: Record<string, Entry> = {};
  for (const { name, path: file } of finished.node.outputs) {
    const target = path.join(root, file);
    mkdirSync(path.dirname(target), { recursive: true });
    const each = made.get(name);
    try {
      outputs[name] = await (each ? saveEach(cache, each, target) : cache.save(finished.written[name]!, target));
    } catch (error) {
      if (error instanceof Unhashable) {
        const hint = `an output is files and folders: write them, or what links point to, to ${file}`;
        return fail({
          kind: 'task',
          message: `its output ${name} cannot be stored: ${error.message}`,
          hint,
          log: finished.log,
        });
      }
      if (!(error instanceof LostBase || error instanceof StoreDamage)) throw error;
      const hint = 'run again: what is lost is made anew';
      return fail({ kind: 'task', message: error.message, hint, log: finished.log });
    }
  }
  return ok(outputs);
}

function missingOutput(
  { node, written }: Finished,
  made: ReadonlyMap<string, EachOutput>,
): { message: string; hint: string } | null {
  const missing = node.outputs.filter(({ name }) => !made.has(name) && !existsSync(written[name]!));
  if (missing.length === 0) return null;
  const named = missing.map(({ name, path: file }) => `${name} (${file})`).join(', ');
  return {
    message: `it ended well but did not write its output ${named}`,
    hint: 'write it, or take it out of `out:` in pipeline.yml',
  };
}

type Read = Assessment['read'][number];

function changedInput(
  root: string,
  cache: Cache,
  { assessment, node, begunMs }: Finished,
): { message: string; hint: string } | null {
  // What a node made moves its times when it is published, or restored for another node of the same bytes.
  const made = new Set(
    node.inputs.flatMap(({ sources }) => sources.filter(({ producer }) => producer).map((source) => source.path)),
  );
  const sinceMs = (input: Read) => (made.has(input.path) ? Number.POSITIVE_INFINITY : begunMs);
  const found = (input: Read) => cache.touchedSince(path.resolve(root, input.path), input.entry, sinceMs(input));
  const states = assessment.read.map((input) => ({ name: input.path, state: found(input) }));
  const named = (state: 'changed' | 'touched') =>
    states.flatMap((one) => (one.state === state ? [one.name] : [])).join(', ');
  if (named('changed') !== '')
    return {
      message: `its input ${named('changed')} changed while it ran, so its result was not recorded`,
      hint: 'run again once the input is still',
    };
  if (named('touched') === '') return null;
  return {
    message: `its input ${named('touched')} was written while it ran: it is as it was, but nobody knows what was read, so its result was not recorded`,
    hint: 'run again once the input is still',
  };
}

/** Resolves when the record is durable. */
export async function record(
  cache: Cache,
  finished: Finished,
  outputs: Readonly<Record<string, Entry>>,
): Promise<void> {
  const { node, assessment, seconds, ranAt } = finished;
  const result: NodeRecord = { node: node.name, outputs, seconds, warnings: finished.warnings, ranAt };
  const state: NodeState = {
    key: assessment.key,
    ingredients: assessment.ingredients,
    reasons: finished.reasons,
    seconds,
    ranAt,
  };
  await cache.commit([
    { space: 'records', id: assessment.key, value: result },
    { space: 'nodes', id: node.name, value: state },
  ]);
}

/** A shell command writes in place: what lies there now is of an earlier run, and is in the store. */
export function clearOutputs(root: string, cache: Cache, node: Node): void {
  for (const { path: file } of node.outputs) {
    const target = path.join(root, file);
    clearPlace(target);
    cache.forget(target);
    mkdirSync(path.dirname(target), { recursive: true });
  }
}

/** An output that is a link, to another disk say, stays one: what it points to goes, and a folder stays as an empty one. */
export function clearPlace(target: string): void {
  if (!lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink()) return removeFolder(target);
  const place = statSync(target, { throwIfNoEntry: false });
  if (!place) return;
  const real = realpathSync(target);
  if (!place.isDirectory()) rmSync(real);
  else for (const name of readdirSync(real)) rmSync(path.join(real, name), { recursive: true, force: true });
}

/** Or a file. Node's own way to find out that nothing is there costs more than most shell commands. */
export function removeFolder(place: string): void {
  if (lstatSync(place, { throwIfNoEntry: false })) rmSync(place, { recursive: true, force: true });
}
