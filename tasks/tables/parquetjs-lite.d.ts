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
  export class ParquetWriter {
    static openFile(schema: ParquetSchema, path: string, options?: Record<string, unknown>): Promise<ParquetWriter>;
    appendRow(row: object): Promise<void>;
    close(): Promise<void>;
  }
}
