// How the end of a process is told: which of the kernel's counters says that memory ran out.
import { expect, test } from 'vitest';
import { groupCounters } from '../../../engine/exec/local/processGroup.ts';

test.each([
  [
    'version 2',
    '0::/user.slice/a.scope\n',
    ['/sys/fs/cgroup/user.slice/a.scope/memory.events', '/sys/fs/cgroup/memory.events'],
  ],
  [
    'both, memory under version 1',
    '4:memory:/job\n1:cpu:/\n0::/\n',
    [
      '/sys/fs/cgroup/memory/job/memory.oom_control',
      '/sys/fs/cgroup/memory/memory.oom_control',
      '/sys/fs/cgroup/memory.events',
      '/sys/fs/cgroup/memory.events',
    ],
  ],
  ['none', '', []],
])('under control groups of %s, kills of our own group are counted', (_, text, files) => {
  expect(groupCounters(text)).toEqual(files);
});
