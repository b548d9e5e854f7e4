// Tests run in child processes, two at a time: the suite starts real engines and must fit two cores. Two projects: `quick` is what
// `npm run check:fast` runs after each edit; a test file that takes longer than a second or so is named in SLOW.
import { defineConfig } from 'vitest/config';

const report = process.env.DAG_TEST_REPORT;

const SLOW = [
  // The command line with real processes, kills, and random histories.
  'test/engine.test.ts',
  'test/pipeline.test.ts',
  'test/cli/{accept,output,completion,edited,garbage,gc,history,status,verify,watch,words}.test.ts',
  'test/crash/*.test.ts',
  'test/exec/child/{each,each_images,fileWatch}.test.ts',
  'test/load/fuzz.test.ts',
  'test/exec/local/{modules,trace}.test.ts',
  'test/plan/{code,places,tsconfig}.test.ts',
  'test/property/*.test.ts',
  'test/run/{gpus,inputs,preempt,retry,shared}.test.ts',
  // Large folders, locks and disks.
  'test/cache/{lock,look,publish,recheck,tree}.test.ts',
  'test/state/statBlock.test.ts',
  // Simulated runs, training, decoding, and numbers beside other implementations.
  'test/schedule/makespan.test.ts',
  'test/dicom/{codecs,fuzz,read,tools}.test.ts',
  'test/imaging/oracle.test.ts',
  'test/learning/{accumulation,curve,fit,loader,models,models.export,overfit,tfjs,webgpu,weights}.test.ts',
  'test/learning/core/{operations,pytorch,regions,trainer}.test.ts',
  'test/metrics/*.test.ts',
  'test/tables/parquet.test.ts',
  'test/tasks/{chance,ensemble,folds,metadata,phantom,png,predict,report,smooth,train,train_kill,tta}.test.ts',
];

const shared = {
  globalSetup: ['test/rigs/build.ts'],
  pool: 'forks' as const,
  testTimeout: 120_000,
  hookTimeout: 120_000,
};

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    projects: [
      { test: { ...shared, name: 'quick', include: ['test/**/*.test.ts'], exclude: SLOW } },
      { test: { ...shared, name: 'slow', include: SLOW } },
    ],
  },
});
