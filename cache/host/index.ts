// The cache's second door: locks and processes of this machine. It loads no package, LMDB least of all, so that who only asks
// who lives, or has nothing to do, starts in no time.
export { acquireLock, type Lock, type LockOptions, type LockOwner, livingOwner } from './lock.ts';
export { bootNumber, DEAD, identify, isAlive, type ProcessId, processOf } from './process.ts';
