import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosSite } from './site.ts';

/** Changes of the environment while the service runs, at regular intervals; counted by kind. */
export class Changes {
  readonly counts: Record<string, number> = {};
  readonly #site: ChaosSite;
  readonly #url: string;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>[] = [];

  constructor(site: ChaosSite, url: string) {
    this.#site = site;
    this.#url = url;
  }

  every(seconds: number, what: string, change: () => Promise<void>): void {
    const { signal } = this.#stopped;
    const run = async () => {
      for (;;) {
        await sleep(seconds * 1_000, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
        await change();
        this.counts[what] = (this.counts[what] ?? 0) + 1;
      }
    };
    this.#running.push(run());
  }

  /** Every change has ended when this resolves. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#running);
  }

  /** Adds a new secret; of the older ones the newest stays until the next rotation. */
  async rotateSecret(): Promise<void> {
    const { order } = this.#site;
    const old = await order('listAppSecrets');
    await order('addAppSecret', { storeInHomeVault: true });
    for (const { keyId } of old.slice(0, -1)) await order('removeAppSecret', { keyId });
  }

  /** Renames a tenant: its record has a new revision, so its data keys are made again. */
  async rename(tenant: string): Promise<void> {
    const authorization = `Bearer ${this.#site.token}`;
    const address = `${this.#url}/tenants/${tenant}`;
    const read = await fetch(address, { headers: { authorization } });
    const headers = {
      authorization,
      'content-type': 'application/merge-patch+json',
      'if-match': read.headers.get('etag') ?? '',
    };
    const body = JSON.stringify({ displayName: `Renamed ${new Date().toISOString()}` });
    const changed = await fetch(address, { method: 'PATCH', headers, body });
    if (!read.ok || !changed.ok) throw new Error(`${tenant} was not renamed: ${await changed.text()}`);
  }
}
