// Versions of declared tools (`tools: { dcmtk: "dcmdump --version" }`): what the command prints is in the key.

import { exec } from 'node:child_process';
import { promisify } from 'node:util';
import { taskEnvironment } from '../model/environment.ts';
import type { Node } from '../model/node.ts';

/** Runs each distinct command once; a command that fails counts by its failure, so that installing the tool changes the key. */
export async function toolVersions(root: string, nodes: readonly Node[]): Promise<Map<string, string>> {
  const commands = new Set(nodes.flatMap(({ tools }) => Object.values(tools)));
  const versions = new Map<string, string>();
  for (const command of commands) {
    const answer = await promisify(exec)(command, { cwd: root, env: taskEnvironment(), timeout: 60_000 }).catch(
      (error: { code?: unknown }) => ({
        stdout: `not available (${String(error.code)})`,
        stderr: '',
      }),
    );
    versions.set(command, (answer.stdout + answer.stderr).trim());
  }
  return versions;
}
