// The cache's second door: locks, processes and whole files on this machine. It loads no package, LMDB least of all, so that who
// only asks who lives, or has nothing to do, starts in no time.
export { writeAtomically } from './atomic.ts';
export { acquireLock, type Lock, type LockOwner, lastOwner, livingOwner } from './lock.ts';
export { bootId, DEAD, identify, isAlive, type ProcessId, processOf } from './process.ts';
export { tickMs } from './stat.ts';
export { startHelper } from './threads.ts';
