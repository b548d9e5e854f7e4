// Weights from elsewhere (a PyTorch checkpoint saved as safetensors) made to fit a network: names and shapes are compared,
// a classifier for other classes is left as it was drawn, and everything that did not match is said by name.
import { InputError } from '../../../engine/task.ts';
import { shownPath } from '../../tables/csv.ts';
import { buildModel, type ModelSpec, type Tensors } from '../models/models.ts';
import { legacyForm, presentForm } from '../models/seresnext.ts';
import { readSafetensors } from './safetensors.ts';

export interface Fitted {
  /** Every tensor of the network: from the file where it has it, else from `initial`. */
  readonly weights: Tensors;
  /** For the log: what was taken, and what was not, by name. */
  readonly notes: readonly string[];
}

/** What a training wraps names in. */
const PREFIXES = ['module.', '_orig_mod.', 'model.', 'state_dict.'];
const COUNTER = /(^|\.)num_batches_tracked$/;
const LISTED = 8;

/**
 * The network's weights for a training that starts from `file`. A classifier (the last layer) of another number of classes, or
 * none, keeps its value in `initial`. InputError, with the names, where anything else is missing or has another shape.
 */
export function initialFromFile(file: string, spec: ModelSpec, initial: Tensors): Fitted {
  return fitWeights(readSafetensors(file).tensors, spec, initial, shownPath(file));
}

/** As `initialFromFile`, of tensors that were read already; `where` is named in messages. */
export function fitWeights(found: Tensors, spec: ModelSpec, initial: Tensors, where: string): Fitted {
  const tensors = published(found);
  refuseOtherForm(tensors, spec, where);
  const head = classifierOf(spec);
  const weights: Tensors = new Map(initial);
  const problems: string[] = [];
  const notes: string[] = [];
  let taken = 0;
  for (const [name, { shape }] of initial) {
    const tensor = tensors.get(name);
    if (tensor !== undefined && tensor.shape.join() === shape.join()) {
      weights.set(name, tensor);
      taken += 1;
    } else if (!name.startsWith(`${head}.`)) {
      problems.push(tensor ? `"${name}" is [${tensor.shape}], here [${shape}]` : `"${name}" is missing`);
    }
  }
  if (problems.length > 0) {
    const unused = [...tensors.keys()].filter((name) => !initial.has(name));
    const others = unused.length === 0 ? '' : `; it holds instead ${listed(unused.map((name) => `"${name}"`))}`;
    throw new InputError(
      `${where}: not weights of ${spec.arch}: ${listed(problems)}${others}; save the state dictionary of this network`,
    );
  }
  notes.push(`${taken} of ${initial.size} tensors are taken from ${where}`);
  const note = classifierNote(tensors, initial, head);
  if (note !== null) {
    notes.push(note);
    for (const part of ['weight', 'bias']) weights.set(`${head}.${part}`, initial.get(`${head}.${part}`)!);
  }
  const unknown = [...tensors.keys()].filter((name) => !initial.has(name));
  if (unknown.length > 0) notes.push(`not used, the network has no such tensors: ${listed(unknown)}`);
  return { weights, notes };
}

/**
 * All weights of a network for its use as it is. InputError where one is missing or has another shape, the classifier too:
 * it says how many classes there are.
 */
export function wholeWeights(found: Tensors, spec: ModelSpec, where: string): Tensors {
  const { net } = buildModel(spec, 'infer', 1);
  const shapes: Tensors = new Map(
    [...net.parameters, ...net.buffers].map(({ name, shape }) => [
      name,
      { shape: [...shape], data: new Float32Array(0) },
    ]),
  );
  const head = `${classifierOf(spec)}.weight`;
  if (!published(found).has(head)) throw new InputError(`${where}: not weights of ${spec.arch}: "${head}" is missing`);
  return fitWeights(found, spec, shapes, where).weights;
}

/** The number of classes that weights of this network have; null where they have no classifier. */
export function classesOf(found: Tensors, spec: ModelSpec): number | null {
  return published(found).get(`${classifierOf(spec)}.weight`)?.shape[0] ?? null;
}

/**
 * The form of SE-ResNeXt whose names the tensors carry, for a spec of either; any other network is returned as it is.
 * timm's present network and the one ported from Caffe also pool differently, so names decide the network.
 */
export function formOf(found: Tensors, spec: ModelSpec): ModelSpec {
  if (!/^se_?resnext/.test(spec.arch)) return spec;
  const names = [...published(found).keys()];
  if (names.some((name) => name.startsWith(legacyForm.stem))) return { ...spec, arch: 'se_resnext101_32x4d' };
  if (names.includes('conv1.weight')) return { ...spec, arch: 'seresnext101_32x4d' };
  return spec;
}

function refuseOtherForm(tensors: Tensors, spec: ModelSpec, where: string): void {
  const { arch } = formOf(tensors, spec);
  if (arch === spec.arch) return;
  throw new InputError(
    `${where}: these are weights of ${arch}, the model is ${spec.arch}: they differ in names and in the first pooling; say arch: ${arch}`,
  );
}

/** The last layer's name. */
function classifierOf({ arch }: ModelSpec): string {
  if (arch === 'densenet169') return 'classifier';
  if (arch === 'se_resnext101_32x4d') return legacyForm.classifier;
  return arch === 'seresnext101_32x4d' ? presentForm.classifier : 'classifier.1';
}

function classifierNote(tensors: Tensors, initial: Tensors, head: string): string | null {
  const [there, here] = [tensors.get(`${head}.weight`), initial.get(`${head}.weight`)!];
  const isWhole = ['weight', 'bias'].every(
    (part) => tensors.get(`${head}.${part}`)?.shape.join() === initial.get(`${head}.${part}`)!.shape.join(),
  );
  if (isWhole) return null;
  const why = there === undefined ? 'is not in the file' : `is for ${there.shape[0]} classes`;
  return `the classifier "${head}" ${why}: a new one for ${here.shape[0]} classes starts at random`;
}

/** Names as published: without wrappers around all of them, without counters, DenseNet's as they have been since 2018. */
function published(found: Tensors): Tensors {
  let entries = [...found].filter(([name]) => !COUNTER.test(name));
  for (let stripped = true; stripped; ) {
    const prefix = PREFIXES.find((each) => entries.length > 0 && entries.every(([name]) => name.startsWith(each)));
    stripped = prefix !== undefined;
    if (prefix !== undefined) entries = entries.map(([name, tensor]) => [name.slice(prefix.length), tensor]);
  }
  // torchvision's own files still say norm.1 where the module says norm1.
  return new Map(
    entries.map(([name, tensor]) => [name.replace(/(denselayer\d+\.(?:norm|conv))\.([12]\.)/, '$1$2'), tensor]),
  );
}

function listed(items: readonly string[]): string {
  const more = items.length > LISTED ? `, and ${items.length - LISTED} more` : '';
  return items.slice(0, LISTED).join(', ') + more;
}
