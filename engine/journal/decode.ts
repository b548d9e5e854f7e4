// From the lines of a journal to the events that they stand for.
import type { Digest } from '../../cache/index.ts';
import type { RunEvent } from '../model/event.ts';
import type { Ingredients } from '../model/ingredients.ts';
import { type CodeLine, type JournalLine, parseLine, type WrittenIngredients, type WrittenNumber } from './lines.ts';

/** An event with its time, ISO 8601; a fresh node's is that of what happened next. */
export type PastEvent = RunEvent & { readonly at: string };

/**
 * Reads the lines of one journal in their order, each to the events that it stands for; null for one that cannot be read, or is of
 * a version that is not ours. A node's code has no files and packages where its line was not given. A metric that ends
 * a node, and was thinned out before, has no step.
 */
export function createDecoder(): (text: string) => readonly PastEvent[] | null {
  const codes = new Map<string, CodeLine>();
  const told = new Map<string, Map<string, number>>();

  const whole = (ingredients: WrittenIngredients): Ingredients => {
    const { code } = ingredients;
    if (code.kind === 'shell') return { ...ingredients, code };
    const { files = {}, packages = {}, assets } = codes.get(code.digest) ?? {};
    return {
      ...ingredients,
      code: { ...code, digest: code.digest as Digest, files, packages, ...(assets && { assets }) },
    };
  };
  const tellMetric = (node: string, name: string, value: number) => {
    const metrics = told.get(node) ?? new Map<string, number>();
    const isNew = !Object.is(metrics.get(name), value);
    told.set(node, metrics.set(name, value));
    return isNew;
  };
  const eventsOf = (line: JournalLine, at: string): PastEvent[] => {
    switch (line.type) {
      case 'code':
        codes.set(line.digest, line);
        return [];
      case 'nodes-fresh':
        return Object.entries(line.nodes).map(([node, key]) => ({ type: 'node-fresh', node, key, at }));
      case 'node-started':
        told.delete(line.node);
        return [{ ...line, ingredients: whole(line.ingredients), at }];
      case 'node-restored':
        return [{ ...line, ingredients: whole(line.ingredients), at }];
      case 'node-metric': {
        const value = numberOf(line.value);
        tellMetric(line.node, line.name, value);
        return [{ ...line, value, at }];
      }
      case 'node-done': {
        const { metrics = {}, ...done } = line;
        const { node } = done;
        const late = Object.entries(metrics)
          .map(
            ([name, value]) => ({ type: 'node-metric', node, name, value: numberOf(value), step: null, at }) as const,
          )
          .filter(({ name, value }) => tellMetric(node, name, value));
        return [...late, { ...done, at }];
      }
      default:
        return [{ ...line, at }];
    }
  };
  return (text) => {
    const read = parseLine(text);
    return read && eventsOf(read.line, read.at);
  };
}

const numberOf = (written: WrittenNumber) => (written === null ? Number.NaN : Number(written));
