// What is wrong, or strange, with pipeline.yml, as data.

export interface Diagnostic {
  readonly file: string;
  /** 1-based; 0 means that the trouble has no place in a file (`--set`, `--profile`). */
  readonly line: number;
  readonly column: number;
  /** One past the last marked column of the same line. */
  readonly endColumn?: number;
  readonly message: string;
  readonly hint?: string;
}
