// The whole pipeline at its smallest, from DICOM files to a submission; then one change at a time, and exactly what reran.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPipelineProject, type Project } from './rigs/project.ts';

let p: Project;
const TINY = ['--profile', 'tiny'];
const run = (...words: string[]) => p.run(...TINY, ...words);
const tasksOf = (names: readonly string[]) => [...new Set(names.map((name) => name.split('[')[0]!))].sort();

const FROM_SMOOTHING = ['ensemble', 'report', 'smooth', 'submission'];
const FROM_TRAINING = ['ensemble', 'out_of_fold', 'predict', 'report', 'smooth', 'submission', 'train', 'tta'];

beforeAll(() => {
  p = createPipelineProject();
});
afterAll(() => p.remove());

function csv(file: string): { header: string[]; rows: string[][] } {
  const [header, ...rows] = p
    .read(file)
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));
  return { header: header!, rows };
}

describe('the pipeline', () => {
  test('goes from DICOM files to a submission with the IDs of the sample, in its order', async () => {
    const summary = await run();
    expect(summary.failed).toEqual([]);
    // Both models' leakage is one question: asked once.
    expect(summary.ran).toHaveLength(26);
    expect(tasksOf(summary.restored)).toEqual(['leakage']);
    const submission = csv('out/submission.csv');
    const sample = csv('out/phantom/stage_2_sample_submission.csv');
    expect(submission.header).toEqual(['ID', 'Label']);
    expect(submission.rows.map(([id]) => id)).toEqual(sample.rows.map(([id]) => id));
    for (const [, label] of submission.rows) expect(Number(label)).toBeGreaterThan(0);
  });

  test('leaves every artifact where tools look for it', () => {
    const files = [
      ...['train', 'test'].flatMap((split) => [`out/metadata/${split}.parquet`, `out/triplets/${split}.csv`]),
      ...[0, 1].flatMap((fold) => [`out/folds/v1/train_${fold}.csv`, `out/folds/v1/valid_${fold}.csv`]),
      ...['weights.safetensors', 'model.onnx', 'history.json', 'oof.csv'].map(
        (name) => `out/models/tiny_adjacent/fold0/${name}`,
      ),
      ...['oof', 'test'].flatMap((name) => [`out/predictions/tiny_windows/${name}.csv`, `out/ensemble/${name}.csv`]),
      'out/report/metrics.json',
    ];
    for (const file of files) expect(p.read(file).length, file).toBeGreaterThan(0);
    const images = csv('out/triplets/train.csv').rows.length;
    expect(readdirSync(p.path('out/png/train/adjacent_hu'))).toHaveLength(images);
    expect(readdirSync(p.path('out/png/train/brain_subdural_bone'))).toHaveLength(images);
  });

  test('does nothing the second time', async () => {
    expect(await run()).toMatchObject({ ok: true, ran: [], restored: [] });
  });

  test('is not disturbed by a comment or a renamed local in a task', async () => {
    p.edit('tasks/smooth.ts', /^/, '// One more line of explanation.\n');
    p.edit('tasks/metrics.ts', /const (\w+) = /, '/* Renamed. */ const $1 = ');
    expect(await run()).toMatchObject({ ran: [], restored: [] });
  });

  test('reruns smoothing and what follows for a number in the smoothing task', async () => {
    p.edit('tasks/smooth.ts', /largestSigmaMm: \d+/, 'largestSigmaMm: 19');
    expect((await p.dag('why', ...TINY, 'smooth')).stdout).toContain('code tasks/smooth.ts');
    const { ran } = await run();
    expect(ran).toContain('smooth[model=tiny_adjacent]');
    expect(FROM_SMOOTHING).toEqual(expect.arrayContaining(tasksOf(ran)));
  });

  test('reruns training and what follows for a parameter of training, and restores all when it is put back', async () => {
    expect((await p.dag('why', ...TINY, '--set', 'epochs=2', 'train')).stdout).toContain('parameter epochs: 1 → 2');
    const changed = await run('--set', 'epochs=2');
    expect(tasksOf(changed.ran)).toEqual(FROM_TRAINING);
    const back = await run();
    expect(back.ran).toEqual([]);
    // The check of lineage says the same of both, so its report lies there already.
    expect(tasksOf(back.restored)).toEqual(FROM_TRAINING.filter((task) => task !== 'out_of_fold'));
  });

  test('restores a deleted output without running', async () => {
    rmSync(p.path('out/png/test'), { recursive: true });
    rmSync(p.path('out/submission.csv'));
    const summary = await run();
    expect(summary.ran).toEqual([]);
    expect([...summary.restored].sort()).toEqual(['png[split=test]', 'submission']);
  });

  test('leaves the other models fresh when a model is added', async () => {
    p.edit(
      'pipeline.yml',
      / {6}- \{ name: tiny_adjacent.*\n/,
      (line) => line + line.replace('tiny_adjacent', 'tiny_third').replace('depth: 0.2', 'depth: 0.3'),
    );
    const { ran } = await run();
    expect(ran.filter((name) => name.startsWith('train')).sort()).toEqual([
      'train[model=tiny_third,fold=0]',
      'train[model=tiny_third,fold=1]',
    ]);
  });
});

describe('a model that starts from weights', () => {
  const nodes = ['train[model=tiny_started,fold=0]', 'train[model=tiny_started,fold=1]'];
  const copyFrom = (fold: number): void =>
    cpSync(p.path(`out/models/tiny_adjacent/fold${fold}/weights.safetensors`), p.path('start.safetensors'));

  test('says which, the others stay fresh, and the weights are told of where they are not there', async () => {
    p.edit(
      'pipeline.yml',
      / {6}- \{ name: tiny_adjacent.*\n/,
      (line) => line + line.replace('tiny_adjacent', 'tiny_started').replace(' }', ', init: start.safetensors }'),
    );
    const lacking = await p.dag('run', ...TINY, 'train');
    expect(lacking.code).toBe(2);
    expect(lacking.stderr).toContain('the input start.safetensors of train[model=tiny_started,fold=');
    copyFrom(0);
    expect([...(await run('train')).ran].sort()).toEqual(nodes);
    const log = await p.dag('log', ...TINY, nodes[0]!);
    expect(log.stdout).toMatch(/init: (\d+) of \1 tensors are taken from start\.safetensors/);
  });

  test('is trained again from other weights, and it alone', async () => {
    copyFrom(1);
    expect((await p.dag('why', ...TINY, nodes[0]!)).stdout).toContain('input start.safetensors');
    expect([...(await run('train')).ran].sort()).toEqual(nodes);
  });
});

describe('inference only', () => {
  const sorted = (file: string): string => p.read(file).split('\n').sort().join('\n');

  test('a folder of DICOM files and the models of an earlier run give the same submission, and nothing is trained', async () => {
    await run();
    const submission = sorted('out/submission.csv');
    cpSync(p.path('out/phantom/stage_2_test'), p.path('images'), { recursive: true });
    cpSync(p.path('out'), p.path('earlier'), { recursive: true });
    const settings = ['--set', 'data=images', '--set', 'models=earlier'];
    const { ok, ran, restored } = await p.run('--profile', 'infer', '--set', 'batch=8', ...settings);
    expect(ok).toBe(true);
    const steps = ['infer', 'labels', 'metadata', 'png', 'submission', 'triplets'];
    expect(tasksOf([...ran, ...restored])).toEqual(steps);
    expect((await p.dag('log', 'infer', '--profile', 'infer', ...settings)).stdout).toContain(
      'device: cpu (onnxruntime)',
    );
    expect(sorted('out/submission.csv')).toBe(submission);
  });

  test('a folder without the networks that its ensemble names ends with exit code 2 and the missing file', async () => {
    rmSync(p.path('earlier/models/tiny_windows/fold1/model.onnx'));
    const settings = ['--set', 'data=images', '--set', 'models=earlier'];
    const answer = await p.dag('run', '--profile', 'infer', ...settings);
    expect(answer.code).toBe(2);
    expect(answer.stderr).toContain('earlier/models/tiny_windows/fold1/model.onnx does not exist');
  });
});

describe('with data of its own', () => {
  const data = ['--set', 'data=mine'];

  test('the drawing is skipped, and one changed DICOM file reruns what reads it', async () => {
    await p.dag('run', 'phantom', ...TINY);
    cpSync(p.path('out/phantom'), p.path('mine'), { recursive: true });
    expect(await run(...data)).toMatchObject({ ok: true, ran: [] });

    const changed = readdirSync(p.path('mine/stage_2_test'))[0]!;
    const bytes = readFileSync(p.path(`mine/stage_2_test/${changed}`));
    bytes[bytes.length - 1] = bytes[bytes.length - 1]! ^ 1;
    writeFileSync(p.path(`mine/stage_2_test/${changed}`), bytes);
    expect((await p.dag('why', ...TINY, ...data, 'metadata[split=test]')).stdout).toContain(
      `input mine/stage_2_test/${changed}`,
    );
    const { ran } = await run(...data);
    expect(ran).toContain('metadata[split=test]');
    expect(ran.filter((name) => name.startsWith('train') || name.includes('split=train'))).toEqual([]);
  });

  test('a text file, a truncated file and an empty file give one clear line each, and the run goes on', async () => {
    const [first] = readdirSync(p.path('mine/stage_2_train'));
    writeFileSync(p.path('mine/stage_2_train/notes.txt'), 'not an image\n');
    writeFileSync(p.path('mine/stage_2_train/ID_00000000e.dcm'), '');
    const whole = readFileSync(p.path(`mine/stage_2_train/${first}`));
    writeFileSync(p.path(`mine/stage_2_train/${first}`), whole.subarray(0, whole.length - 500));
    const answer = await p.dag('run', ...TINY, ...data, 'metadata');
    expect(answer.code).toBe(0);
    for (const name of ['notes.txt', 'ID_00000000e.dcm', first!]) {
      expect(
        answer.stderr.split('\n').filter((line) => line.startsWith('! metadata') && line.includes(name)),
        name,
      ).toHaveLength(1);
    }
  });

  test('a label without an image ends with exit code 2 and nothing is written', async () => {
    const files = readdirSync(p.path('mine/stage_2_train')).filter((name) => name.endsWith('.dcm'));
    rmSync(p.path('out'), { recursive: true });
    rmSync(p.path(`mine/stage_2_train/${files[3]}`));
    const answer = await p.dag('run', ...TINY, ...data);
    expect(answer.code).toBe(2);
    expect(answer.stderr).toContain(files[3]!.replace('.dcm', ''));
    expect(() => readdirSync(p.path('out/metadata'))).toThrow();
    expect(() => readdirSync(p.path('out/labels'))).toThrow();
  });
});
