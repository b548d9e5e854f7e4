// The part of parquetjs-lite 0.8 that tables/parquet.ts uses; the package has no types of its own.
declare module 'parquetjs-lite' {
  export interface FieldDefinition {
    readonly type: 'INT32' | 'DOUBLE' | 'UTF8';
    readonly optional?: boolean;
    readonly compression?: 'GZIP' | 'SNAPPY' | 'UNCOMPRESSED';
    readonly statistics?: boolean;
  }
  export class ParquetSchema {
    constructor(fields: Record<string, FieldDefinition>);
  }
  /** Rows cut into columns (lib/shred.js): levels of each cell, and the values of those that are not null. */
  export interface ShreddedColumn {
    readonly dlevels: number[];
    readonly rlevels: number[];
    /** Text is encoded with the page. */
    readonly values: (number | string)[];
    readonly distinct_values: Set<unknown>;
    count: number;
  }
  export interface RowBuffer {
    rowCount: number;
    pageRowCount: number;
    columnData: Record<string, ShreddedColumn>;
    pages: Record<string, unknown[]>;
  }
  export class ParquetWriter {
    /** The row group being filled; empty after `appendRow` has written one. */
    rowBuffer: RowBuffer | Record<string, never>;
    static openFile(schema: ParquetSchema, path: string, options?: Record<string, unknown>): Promise<ParquetWriter>;
    appendRow(row: object): Promise<void>;
    close(): Promise<void>;
  }
}
