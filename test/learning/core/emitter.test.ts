// What the emitter saves: reshapes that would copy or are there already, and nodes that nobody uses.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { createEmitter, type Emitter } from '../../../tasks/learning/onnx/emitter.ts';
import { readFields } from '../../../tasks/learning/onnx/protobuf.ts';

/** Operators of the graph's own nodes, in order. */
function operators(e: Emitter): string[] {
  const [graph] = readFields(e.encode(), 7);
  return readFields(graph!, 1).map((node) => new TextDecoder().decode(readFields(node, 4)[0]));
}

async function run(e: Emitter, feeds: Record<string, Tensor>): Promise<number[]> {
  const session = await InferenceSession.create(e.encode(), { logSeverityLevel: 4 });
  const { y } = await session.run(feeds);
  await session.release();
  return [...(y!.data as Float32Array)];
}

const six = Float32Array.of(1, 2, 3, 4, 5, 6);
const tensor = (shape: number[]): Tensor => new Tensor('float32', six, shape);

it('a reshape of a reshape is one of what was there first, and none is made twice', () => {
  const e = createEmitter();
  const x = e.emit('Neg', [e.input('x', [6])]);
  const once = e.reshape(e.reshape(x, [1, 6]), [2, 3]);
  expect(e.reshape(x, [2, 3])).toBe(once);
  e.output('y', e.emit('Neg', [once]), [2, 3]);
  expect(operators(e)).toEqual(['Neg', 'Reshape', 'Neg']);
});

it('a node that no output needs is left out', () => {
  const e = createEmitter();
  const x = e.input('x', [6]);
  e.emit('Exp', [x]);
  e.output('y', e.emit('Neg', [x]), [6]);
  expect(operators(e)).toEqual(['Neg']);
});

it('an input is asked for in the shapes that it is used in', async () => {
  const e = createEmitter({ inputViews: true });
  const rows = e.reshape(e.input('x', [6]), [2, 3]);
  e.output('y', e.emit('ReduceSum', [rows, e.ints([1])], { keepdims: 0 }), [2]);
  expect(operators(e)).toEqual(['ReduceSum']);
  expect(e.views()).toEqual([{ name: 'x_2x3', of: 'x', start: 0, shape: [2, 3] }]);
  expect(await run(e, { x: tensor([6]), x_2x3: tensor([2, 3]) })).toEqual([6, 15]);
});

it('an input is asked for once in a shape, by the body of a scan too', async () => {
  const e = createEmitter({ inputViews: true });
  const x = e.input('x', [6]);
  const negative = e.emit('Neg', [x]);
  const [scaled] = e.scan(2, (cut) => [e.emit('Mul', [cut(negative, [3]), e.reshape(x, [2, 3])])]);
  e.output(
    'y',
    e.emit('Add', [e.reshape(x, [2, 3]), e.emit('ReduceSum', [scaled!, e.ints([0])], { keepdims: 0 })]),
    [2, 3],
  );
  expect(e.views()).toHaveLength(1);
  expect(await run(e, { x: tensor([6]), x_2x3: tensor([2, 3]) })).toEqual([-4, -12, -24, -16, -30, -48]);
});

it('a turn of a scan sees its part in any shape without a reshape, and so does the graph what it gives', async () => {
  const e = createEmitter();
  const x = e.emit('Neg', [e.input('x', [6])]);
  const around = e.emit('Neg', [e.floats([1], [])]);
  const [y] = e.scan(3, (cut) => {
    const column = e.reshape(cut(x, [2]), [2, 1]);
    return [e.reshape(e.emit('Mul', [column, around]), [1, 2])];
  });
  e.output('y', e.reshape(y!, [6]), [6]);
  expect(operators(e)).toEqual(['Neg', 'Neg', 'Reshape', 'Scan', 'Reshape']);
  expect(
    Buffer.from(e.encode())
      .toString('latin1')
      .match(/Reshape/g),
  ).toHaveLength(2);
  expect(await run(e, { x: tensor([6]) })).toEqual([...six]);
});
