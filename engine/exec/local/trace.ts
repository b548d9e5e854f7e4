// `dag run --trace`: what a shell command read and wrote inside the project without having declared it (declared.ts), by
// strace's report of it. What the command made for itself, and files that are gone when it ends, are nobody else's matter.
import { appendFileSync, lstatSync } from 'node:fs';
import { createJudge, type Declared, isWithin } from '../declared.ts';
import { readReport } from './strace.ts';

export const reportPath = (log: string) => `${log}.strace`;

/** Lines for the user, of a command that ended well; also at the end of its log. */
export async function undeclaredUses(root: string, log: string, declared: Declared): Promise<string[]> {
  const judge = createJudge(root, declared);
  const made = new Set<string>();
  const written = new Set<string>();
  for await (const { use, named, real, isNew } of readReport(reportPath(log), root)) {
    if (isWithin(named, made) || (real !== null && judge.allows(use, real)) || judge.allows(use, named)) continue;
    if (use === 'reads') judge.see(use, named);
    else written.add(named);
    if (isNew) made.add(named);
  }
  for (const place of written) if (lstatSync(place, { throwIfNoEntry: false })) judge.see('writes', place);
  const lines = judge.lines();
  if (lines.length > 0) appendFileSync(log, lines.map((line) => `warning: ${line}\n`).join(''));
  return lines;
}
