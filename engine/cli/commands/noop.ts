// `dag run` when there is nothing to do: answered before the pipeline is loaded (see state/noop.ts), with the same output.
import path from 'node:path';
import type { RunSummary } from '../../model/event.ts';
import { pipelineFile } from '../../project/file.ts';
import { terminalReport } from '../../report/terminal.ts';
import { type NoopAnswer, type NoopRequest, recallNoop, rememberNoop } from '../../state/noop.ts';
import { placesOf } from '../../state/places.ts';
import { EXIT } from '../exit.ts';

interface NoopFlags {
  readonly directory?: string;
  readonly file?: string;
  readonly profile?: string;
  readonly set: readonly string[];
  readonly json?: boolean;
  readonly force?: boolean;
  readonly only?: boolean;
}

/** The exit code, or null when the run has to be made. */
export function runNoop(selectors: readonly string[], flags: NoopFlags): number | null {
  if (flags.force) return null;
  const startedMs = performance.now();
  const request = requestOf(selectors, flags);
  const found = recallNoop(placesOf(path.dirname(request.file)), request);
  if (!found) return null;
  const summary: RunSummary = { ...found, seconds: Math.round(performance.now() - startedMs) / 1000 };
  const report = terminalReport({ stream: process.stderr, tail: () => [] });
  report.on({ type: 'run-started', runId: '', profile: null, nodes: summary.fresh.length, words: [], pid: 0, set: [] });
  report.on({ type: 'run-finished', summary });
  if (flags.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  return EXIT.done;
}

/** Where every node was fresh, the next such run need not look again at more than stats. */
export function leaveNoop(selectors: readonly string[], flags: NoopFlags, answer: NoopAnswer): void {
  const { ok, ran, restored, failed, fresh } = answer.summary;
  if (!ok || ran.length + restored.length + failed.length > 0 || fresh.length !== answer.nodes.length) return;
  const request = requestOf(selectors, flags);
  rememberNoop(placesOf(path.dirname(request.file)), request, answer);
}

function requestOf(selectors: readonly string[], flags: NoopFlags): NoopRequest {
  const { profile = null, set, only = false } = flags;
  return { file: pipelineFile(flags), profile, set, selectors, only };
}
