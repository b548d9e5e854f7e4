// A JSON file that another task wrote. What is in it, its reader checks.
import { readFileSync } from 'node:fs';
import { InputError } from '../../engine/task.ts';
import { shownPath } from './csv.ts';

export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new InputError(`${shownPath(path)}: cannot be read as JSON: ${(error as Error).message}`);
  }
}
