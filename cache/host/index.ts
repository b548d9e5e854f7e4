// The cache's second door: what of this machine needs no index. It loads no package, LMDB least of all, so that who
// only asks who lives, or has nothing to do, starts in no time.
export { writeAtomically } from './atomic.ts';
export { lastOwner, livingOwner } from './lock.ts';
export { bootId } from './process.ts';
export { startHelper } from './threads.ts';
