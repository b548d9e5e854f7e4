// What the index holds, by name.

/** Records and hints of the caller, as JSON values (`values.ts`). */
export type Space = 'records' | 'nodes' | 'code' | 'meta';
/** Our own, as bytes: what was hashed where, Merkle nodes, small files, and folders whose every file was stored. */
export type Table = 'stats' | 'trees' | 'small' | 'stored';

export const SPACES: readonly Space[] = ['records', 'nodes', 'code', 'meta'];
export const TABLES: readonly Table[] = ['stats', 'trees', 'small', 'stored'];
