// What happens to a random project, as plain data: edits, runs, runs that are edited meanwhile, damage, collection.
import fc from 'fast-check';
import { type Edit, SOURCES, taskArbitrary } from './model.ts';

export type AnyEdit = Edit | { readonly do: 'revert'; readonly back: number };

/** A run of `dag watch`: edits by its steps, and how many later it is told. */
interface Watch {
  readonly keepGoing: boolean;
  /** Nodes pause while it hears of an edit. */
  readonly patient: boolean;
  readonly edits: readonly { readonly at: number; readonly seenAfter: number; readonly edit: AnyEdit }[];
}

export type Operation =
  | AnyEdit
  | { readonly do: 'delete output' | 'tamper'; readonly at: number }
  | { readonly do: 'collect'; readonly mask: number }
  | ({ readonly do: 'run' } & RunOperation);

export interface RunOperation {
  readonly node: number | null;
  readonly force: boolean;
  readonly killAt: number | null;
  readonly stopAt: number | null;
  readonly editMeanwhile: number | null;
  readonly watch: Watch | null;
}

export const ALL: RunOperation = {
  node: null,
  force: false,
  killAt: null,
  stopAt: null,
  editMeanwhile: null,
  watch: null,
};

/** Shrinks to false. */
const oneIn = (times: number) => fc.nat(times - 1).map((dice) => dice === times - 1);
const maybe = <T>(arbitrary: fc.Arbitrary<T>, times: number) =>
  fc.tuple(oneIn(times), arbitrary).map(([yes, value]) => (yes ? value : null));

const at = fc.nat(1000);
const editArbitrary = (kind: Edit['do'], weight: number) => ({
  weight,
  arbitrary: fc.record({ do: fc.constant(kind), at, to: fc.nat(23) }),
});
const edits = [
  editArbitrary('edit source', 3),
  editArbitrary('edit parameter', 2),
  editArbitrary('edit code', 4),
  editArbitrary('edit comment', 2),
  editArbitrary('break', 1),
  editArbitrary('rewire', 1),
  editArbitrary('spread', 1),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('revert' as const), back: fc.nat(5) }) },
];
const watch: fc.Arbitrary<Watch> = fc.record({
  keepGoing: fc.boolean(),
  patient: oneIn(4).map((not) => !not),
  edits: fc.array(fc.record({ at: fc.nat(24), seenAfter: fc.nat(8), edit: fc.oneof(...edits) }), {
    minLength: 1,
    maxLength: 3,
  }),
});
/** Each happens in one of so many. */
const runArbitrary = (
  times: Readonly<Record<'node' | 'force' | 'killAt' | 'stopAt' | 'editMeanwhile', number>>,
  watched: fc.Arbitrary<Watch | null>,
) =>
  fc.record({
    do: fc.constant('run' as const),
    node: maybe(at, times.node),
    force: oneIn(times.force),
    killAt: maybe(fc.nat(40), times.killAt),
    stopAt: maybe(fc.nat(40), times.stopAt),
    editMeanwhile: maybe(fc.nat(SOURCES - 1), times.editMeanwhile),
    watch: watched,
  });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  ...edits,
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('delete output' as const, 'tamper' as const), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('collect' as const), mask: fc.nat(0xffff) }) },
  {
    weight: 8,
    arbitrary: runArbitrary({ node: 3, force: 10, killAt: 3, stopAt: 10, editMeanwhile: 4 }, fc.constant(null)),
  },
  {
    weight: 3,
    arbitrary: runArbitrary({ node: 5, force: 2, killAt: 10, stopAt: 10, editMeanwhile: 10 }, watch),
  },
);

/** A project and what happens to it. */
export const history = fc.record({
  tasks: fc.array(taskArbitrary, { minLength: 1, maxLength: 6 }),
  operations: fc.array(operation, { minLength: 3, maxLength: 14 }),
});

export type History = typeof history extends fc.Arbitrary<infer T> ? T : never;
