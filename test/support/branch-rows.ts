import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A row of branch keys, as SQLite has it. */
export interface BranchRow {
  readonly tenant_id: string;
  readonly id: string;
  readonly vault_key: string;
  readonly label: string;
  readonly jwe: string | null;
  readonly kid: string;
  readonly copied_digest: string | null;
}

/** The database of a service whose tenants are in SQLite, as an attacker or a restore changes it. */
export class BranchTable {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = join(folder, 'vaultspan.db');
  }

  /** Returns the rows of a tenant, the first made first. */
  rows(tenantId = 'contoso'): readonly BranchRow[] {
    using database = new DatabaseSync(this.#file, { readOnly: true });
    const query = database.prepare('select * from keyring_keys where tenant_id = ? order by created_at, label');
    return query.all(tenantId) as unknown as BranchRow[];
  }

  /** Changes rows, without a change number: no process is notified. */
  run(sql: string, ...values: readonly (string | number | null)[]): void {
    using database = new DatabaseSync(this.#file);
    database.exec('pragma busy_timeout = 5000');
    database.prepare(sql).run(...values);
  }

  databaseId(): string {
    using database = new DatabaseSync(this.#file, { readOnly: true });
    return String(database.prepare('select id from database_identity').get()?.['id']);
  }
}

/** Returns the lines of all files of copies in a folder. */
export function copiedLines(directory: string): readonly Record<string, unknown>[] {
  const files = readdirSync(directory).filter((name) => name.startsWith('branch-keys-'));
  const texts = files.map((name) => readFileSync(join(directory, name), 'utf8'));
  const lines = texts.flatMap((text) => text.split('\n').filter((line) => line !== ''));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
