// A second project root for one shell command: everything in the project by links, but for the command's outputs, which
// it makes anew in the shadow while those of the project stay untouched.
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';

/** `outputs`: relative to the root, forward slashes. Their folders are real in the shadow, everything else is a link. */
export function linkSandbox(root: string, shadow: string, outputs: readonly string[]): void {
  rmSync(shadow, { recursive: true, force: true });
  castFolder(root, shadow, '', outputs);
  for (const output of outputs) mkdirSync(path.dirname(path.join(shadow, output)), { recursive: true });
}

function castFolder(root: string, shadow: string, folder: string, outputs: readonly string[]): void {
  mkdirSync(path.join(shadow, folder), { recursive: true });
  for (const name of readdirSync(path.join(root, folder))) {
    const inner = path.posix.join(folder, name);
    if (inner === '.dag' || outputs.includes(inner)) continue;
    if (outputs.some((output) => output.startsWith(`${inner}/`))) castFolder(root, shadow, inner, outputs);
    else symlinkSync(path.join(root, inner), path.join(shadow, inner));
  }
}
