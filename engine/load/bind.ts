// The binding rule: which nodes of a producer a reference means, seen from one node of the consumer. An axis that both
// have pairs; one that only the producer has fans in, in the order of the producer's matrix; [axis=value] picks.
import { nearest } from '../text/nearest.ts';
import type { TaskSpec } from './check.ts';
import type { Matrix, Point } from './matrix.ts';
import type { Pick, Reference } from './reference.ts';
import { meaningOf, type TaskScope } from './scope.ts';
import type { Span } from './span.ts';
import { describe, textOfValue, walk } from './values.ts';

export interface Producer {
  readonly task: TaskSpec;
  readonly matrix: Matrix;
}

export interface Binding {
  /** True when an axis fans in: the consumer sees a list, even of one. */
  readonly many: boolean;
  /** The labels that are bound, as a text: equal texts mean equal nodes. Undefined after a reported error. */
  keyAt(point: Point): string | undefined;
  /** Indices into the producer's points. */
  find(key: string): readonly number[];
}

/** A task without a matrix has one node, whoever asks. */
const SINGLE: Binding = { many: false, keyAt: () => '', find: () => [0] };

type LabelAt = (point: Point) => string | undefined;

/** Undefined after a reported error. */
export function bind(reference: Reference, span: Span, producer: Producer, consumer: TaskScope): Binding | undefined {
  const { axes, points } = producer.matrix;
  if (axes.length === 0) return SINGLE;
  const bound: { position: number; label: LabelAt }[] = [];
  for (const [position, axis] of axes.entries()) {
    const pick = reference.picks.find((candidate) => candidate.axis === axis.name);
    const own = consumer.matrix.axes.findIndex((candidate) => candidate.name === axis.name);
    const label = pick ? pickLabel(pick, span, axis.values, consumer) : own >= 0 ? pairLabel(own) : undefined;
    if (pick && !label) return undefined;
    if (label) bound.push({ position, label });
  }
  const many = bound.length < axes.length;
  const index = new Map<string, number[]>();
  for (const [i, point] of points.entries()) {
    const key = bound.map(({ position }) => point[position]!.label).join(',');
    const before = index.get(key);
    if (before) before.push(i);
    else index.set(key, [i]);
  }
  return {
    many,
    keyAt(point) {
      if (many && points.length === 0) return '';
      const labels: string[] = [];
      for (const { position, label } of bound) {
        const text = label(point);
        if (text === undefined) return undefined;
        const axis = axes[position]!;
        if (!axis.values.has(text))
          return noLabel(producer.task.name, axis.name, text, [...axis.values.keys()], span, consumer);
        labels.push(text);
      }
      const key = labels.join(',');
      if (many || index.has(key)) return key;
      const wanted = bound.map(({ position }, i) => `${axes[position]!.name}=${labels[i]}`).join(',');
      const why = points.length === 0 ? 'its matrix is empty' : 'that point is not in its matrix';
      return consumer.sink.report(span, `"${producer.task.name}" has no node [${wanted}]: ${why}`);
    },
    find: (key) => index.get(key) ?? [],
  };
}

const pairLabel =
  (own: number): LabelAt =>
  (point) =>
    point[own]!.label;

const PATH = /^[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_][A-Za-z0-9_-]*)*$/;

/** A label of the axis, or failing that the value of an axis or parameter of the consumer. */
function pickLabel(
  pick: Pick,
  span: Span,
  labels: ReadonlyMap<string, unknown>,
  consumer: TaskScope,
): LabelAt | undefined {
  if (labels.has(pick.value)) return () => pick.value;
  const [head = '', ...fields] = pick.value.split('.');
  const isName = consumer.params.has(head) || consumer.matrix.axes.some((axis) => axis.name === head);
  if (!PATH.test(pick.value) || !isName) {
    const near = nearest(pick.value, labels.keys());
    const all = labelsOf(labels.keys());
    const hint = near === undefined ? all : `did you mean "${near}"? (${all})`;
    return consumer.sink.report(span, `axis "${pick.axis}" has no label "${pick.value}"`, hint);
  }
  const asText = (value: Parameters<typeof describe>[0] | undefined): string | undefined => {
    if (value === undefined) return undefined;
    return (
      textOfValue(value, consumer.sink) ??
      consumer.sink.report(
        span,
        `[${pick.axis}=${pick.value}] needs a label, and "${pick.value}" is ${describe(value)}`,
      )
    );
  };
  const meaning = meaningOf(head, span, consumer);
  if (meaning === 'param') {
    const text = asText(consumer.params.get({ head, fields, picks: [], start: 0, end: 0 }, span));
    return text === undefined ? undefined : () => text;
  }
  if (meaning !== 'axis') return undefined;
  const own = consumer.matrix.axes.findIndex((axis) => axis.name === head);
  return (point) => asText(walk(point[own]!.value, head, fields, span, consumer.sink));
}

function noLabel(
  task: string,
  axis: string,
  label: string,
  labels: string[],
  span: Span,
  consumer: TaskScope,
): undefined {
  return consumer.sink.report(span, `axis "${axis}" of "${task}" has no label "${label}"`, labelsOf(labels));
}

function labelsOf(labels: Iterable<string>): string {
  const all = [...labels];
  if (all.length === 0) return 'the axis is empty';
  const rest = all.length > 12 ? ` and ${all.length - 12} more` : '';
  return `there is ${all.slice(0, 12).join(', ')}${rest}`;
}
