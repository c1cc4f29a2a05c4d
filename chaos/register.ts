import type { ChaosSite, ServiceProcess } from './site.ts';

/**
 * Registers the site's tenants in the database, with a service of their own: another one then knows
 * none of them yet.
 */
export async function register(start: () => Promise<ServiceProcess>, { records, token }: ChaosSite): Promise<void> {
  const service = await start();
  for (const record of records) {
    const { id, ...body } = record as { readonly id: string };
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const address = `${service.url}/tenants/${id}`;
    const answer = await fetch(address, { method: 'PUT', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${id} was not registered: ${await answer.text()}`);
  }
  await service.stop();
}
