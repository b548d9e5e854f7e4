// Types of combine.mjs.
export type Tree = Readonly<Record<string, string>>;
export interface Spec {
  readonly name: string;
  readonly version: number;
  readonly lossy: boolean;
  readonly folder: boolean;
}
export function readTree(place: string): Tree;
export function combine(spec: Spec, label: string, param: number, trees: readonly Tree[]): Tree;
export function writeTree(place: string, tree: Tree): void;
export function writeFile(place: string, name: string, text: string): void;
export function work(spec: Spec, label: string, param: number, output: string, inputs: readonly string[]): void;
