import type { KyselyPlugin, UnknownRow } from 'kysely';
import type { Data } from './bytes.ts';
import type { TenantClient } from './tenant.ts';

/** Which columns of a table hold ciphertexts. */
export interface EncryptedTableOptions<Row> {
  /** The tenant of the rows at hand. */
  readonly tenant: () => TenantClient;
  readonly table: string;
  /** The column whose value tells rows apart: each ciphertext is bound to table, row and column. */
  readonly id: keyof Row & string;
  readonly columns: readonly (keyof Row & string)[];
  /** Those of the columns that hold bytes rather than text. */
  readonly bytes?: readonly (keyof Row & string)[];
  /** Columns that hold the token of another one's value, each with the name of the tenant's index. */
  readonly tokens?: Readonly<Record<string, { readonly of: keyof Row & string; readonly index: string }>>;
}

/** A table whose rows are encrypted before a query, and decrypted in its result. */
export interface EncryptedTable {
  /** Returns rows as they are stored: one batch for all of them. Each needs its id. */
  encrypt<R extends object>(rows: readonly R[]): Promise<R[]>;
  /** Decrypts the results of a query that selects the id: `db.withPlugin(users.decrypted)`. One batch for all rows. */
  readonly decrypted: KyselyPlugin;
  /** Returns the tokens that rows with this value may have: `where('email_token', 'in', …)`. */
  search(tokenColumn: string, value: Data): Promise<string[]>;
}

/**
 * Returns the encryption of a table. Kysely's plugins change queries at once and results later, so rows are encrypted by
 * a call of their own.
 */
export function encryptedTable<Row>(options: EncryptedTableOptions<Row>): EncryptedTable {
  const { tenant, table, id, columns, bytes = [], tokens = {} } = options;
  const contextOf = (row: Readonly<Record<string, unknown>>) => {
    if (row[id] === undefined || row[id] === null) {
      throw new TypeError(`A row of ${table} has no ${id}: its encrypted columns are bound to it, so give or select it`);
    }
    return { table, id: String(row[id]) };
  };
  const encryptRow = async (row: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> => {
    const only = columns.filter((column) => column in row);
    if (only.length === 0) return { ...row };
    const sealing = tenant().encryptFields(row, { context: contextOf(row), only });
    const kept = await Promise.all(Object.entries(tokens).map((one) => tokenOf(row, one)));
    return { ...(await sealing), ...Object.fromEntries(kept.flat()) };
  };
  const tokenOf = async (row: Readonly<Record<string, unknown>>, [name, { of, index }]: [string, { of: string; index: string }]) => {
    if (!(of in row)) return [];
    const value = row[of] as Data | null | undefined;
    if (value === null || value === undefined) return [[name, null]];
    const { write } = await tenant().index(index).tokens([value]);
    return [[name, write.tokens[0]]];
  };
  const decryptRow = async (row: UnknownRow): Promise<UnknownRow> => {
    const only = columns.filter((column) => typeof row[column] === 'string');
    if (only.length === 0) return row;
    return tenant().decryptFields(row, { context: contextOf(row), only, bytes: bytes.filter((one) => only.includes(one)) });
  };
  return {
    encrypt: (rows) => Promise.all(rows.map((row) => encryptRow(row as Readonly<Record<string, unknown>>) as Promise<never>)),
    decrypted: {
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => ({ ...result, rows: await Promise.all(result.rows.map(decryptRow)) }),
    },
    search: async (tokenColumn, value) => {
      const index = tokens[tokenColumn]?.index;
      if (index === undefined) throw new TypeError(`${tokenColumn} is not among the tokens of ${table}`);
      const { search } = await tenant().index(index).tokens([value]);
      return search.flatMap((version) => version.tokens);
    },
  };
}
