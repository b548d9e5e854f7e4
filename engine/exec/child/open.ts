// Names for a person of what keeps a thread from coming to rest. Node says what kinds there are, and gives the objects of some.
import { ChildProcess } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { Server, Socket } from 'node:net';
import path from 'node:path';

const KINDS: Readonly<Record<string, string>> = {
  Timeout: 'timer',
  Immediate: 'immediate',
  FSReqCallback: 'file operation',
  FSReqPromise: 'file operation',
  PipeWrap: 'pipe',
  TCPSocketWrap: 'connection',
  TCPServerWrap: 'server',
  MessagePort: 'worker thread or message port',
  FSEventWrap: 'watcher of files',
  ProcessWrap: 'child process',
};
const MOST_FILES = 3;

export function whatIsOpen(): string {
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles();
  const named = handles.map(nameOf).filter((name) => name !== null);
  const kinds = process.getActiveResourcesInfo().map((kind) => KINDS[kind] ?? kind);
  const isNamed = (kind: string) => named.some((name) => name.startsWith(kind === 'pipe' ? 'child process' : kind));
  const files = kinds.includes('file operation') ? openFiles() : [];
  const counts = new Map<string, number>();
  for (const kind of kinds) if (!isNamed(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  if (files.length > 0) counts.delete('file operation');
  const counted = [...counts].map(([kind, count]) => (count > 1 ? `${count} × ${kind}` : kind));
  // Node lists no work of its thread pool but file operations.
  return [...named, ...files, ...counted].join(', ') || 'work in a thread (compression, cryptography, a native module)';
}

function nameOf(handle: unknown): string | null {
  if (handle instanceof ChildProcess) return `child process ${handle.pid} (${handle.spawnargs.join(' ').slice(0, 80)})`;
  if (handle instanceof Server) {
    const address = handle.address();
    return `server on ${typeof address === 'object' ? `port ${address?.port}` : address}`;
  }
  if (handle instanceof Socket && handle.remoteAddress)
    return `connection with ${handle.remoteAddress}:${handle.remotePort}`;
  return null;
}

/** Where the system tells (Linux). */
function openFiles(): string[] {
  try {
    const places = readdirSync('/proc/self/fd').flatMap((fd) => (Number(fd) > 2 ? placeOf(fd) : []));
    const own = [...new Set(places)].filter((place) => place.startsWith(`${process.cwd()}/`) && !/\.mdb$/.test(place));
    return own.slice(0, MOST_FILES).map((place) => `file ${path.relative('', place)}`);
  } catch {
    return [];
  }
}

function placeOf(fd: string): string[] {
  try {
    return [readlinkSync(`/proc/self/fd/${fd}`)];
  } catch {
    return [];
  }
}
