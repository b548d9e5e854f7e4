// Where the pipeline's file is: what a command needs to know before anything is loaded.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from './usageError.ts';

const FILE_NAME = 'pipeline.yml';

/** In the named folder, else in this one or the nearest above it, as git does. */
export function pipelineFile({
  directory,
  file,
}: {
  readonly directory?: string | undefined;
  readonly file?: string | undefined;
}): string {
  const start = path.resolve(directory ?? '.');
  if (file !== undefined) return mustExist(path.resolve(start, file));
  if (directory !== undefined) return mustExist(path.join(start, FILE_NAME));
  for (let folder = start; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, FILE_NAME);
    if (existsSync(candidate)) return candidate;
    if (folder === path.dirname(folder)) break;
  }
  throw new UsageError(
    `there is no ${FILE_NAME} in ${start} or above it\n  \`dag init\` makes one; -C DIR or --file FILE names one elsewhere`,
  );
}

function mustExist(file: string): string {
  if (existsSync(file)) return file;
  throw new UsageError(`there is no file ${file}`);
}
