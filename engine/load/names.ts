// What tasks and profiles are called, for everything that has to know whether a name exists.
import { suggest } from '../text/nearest.ts';
import type { FileSpec, TaskSpec } from './check.ts';
import type { ParamScope } from './params.ts';
import type { Reference } from './reference.ts';
import type { Diagnostics, Span } from './span.ts';
import { nameOf } from './template.ts';

export function createNames(file: FileSpec, sink: Diagnostics): ParamScope {
  const { tasks, profiles } = file;

  function checkTask(reference: Reference, span: Span): boolean {
    const task = tasks.get(reference.head);
    if (!task) {
      sink.report(span, `there is no task "${reference.head}"`, suggest(reference.head, tasks.keys()));
      return false;
    }
    const axes = axisNames(task);
    for (const { axis } of reference.picks) {
      if (axes.includes(axis)) continue;
      sink.report(span, `task "${task.name}" has no axis "${axis}"`, suggest(axis, axes) ?? 'it has no matrix');
      return false;
    }
    return true;
  }

  return {
    isTask: (name) => tasks.has(name),
    taskNames: () => tasks.keys(),
    checkTask,
    checkOutput(reference, span) {
      const task = tasks.get(reference.head);
      const [output, ...rest] = reference.fields;
      if (!task) return checkTask(reference, span);
      const outputs = [...task.out.keys()];
      if (output === undefined) {
        sink.report(
          span,
          `"${task.name}" is a task: name one of its outputs`,
          outputs.length > 0 ? `e.g. \${${task.name}.${outputs[0]}}` : 'it has none',
        );
        return false;
      }
      if (!task.out.has(output)) {
        sink.report(
          span,
          `task "${task.name}" has no output "${output}"`,
          suggest(output, outputs) ?? 'it has no outputs',
        );
        return false;
      }
      if (reference.optional) {
        sink.report(span, `${nameOf(reference)}: an output is never missing`, 'leave out the question mark');
        return false;
      }
      if (rest.length === 0) return checkTask(reference, span);
      sink.report(
        span,
        `${nameOf(reference)}: an output has no fields`,
        `a part of a folder is written \${${task.name}.${output}}/${rest.join('/')}`,
      );
      return false;
    },
    profileWith(name) {
      for (const [profile, { params }] of profiles) if (params?.entries.has(name)) return profile;
      return undefined;
    },
  };
}

function axisNames(task: TaskSpec): string[] {
  return [...(task.matrix?.entries.keys() ?? [])].filter((key) => key !== 'include' && key !== 'exclude');
}
